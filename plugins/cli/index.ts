/** The command line: `graft <command>` finds its command among the rows of a slot, so that any plugin may add one. */
import { definePlugin } from "graft"
import type { Away } from "./chat/conversation.ts"
import { addFace } from "./chat/face.ts"
import { commands } from "./commands.ts"
import { makeCli } from "./dispatch.ts"
import { closeScreen, newScreen } from "./screen.ts"

export default definePlugin<Away>({
  per: "process",
  state: { version: 1, init: () => ({}) },
  async setup(graft) {
    const screen = await graft.keep("screen", "terminal", newScreen, closeScreen)
    if (screen.talk) addFace(graft, screen.talk)
    graft.provide("cli", makeCli(graft, screen))
    graft.add("subcommand", commands(graft, screen))
  },
})
