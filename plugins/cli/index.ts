/** The command line: `graft <command>` finds its command among the rows of a slot, so that any plugin may add one. */
import { definePlugin } from "graft"
import { addFace, chat } from "./chat/chat.ts"
import type { Away } from "./chat/conversation.ts"
import { auth } from "./commands/auth.ts"
import { config } from "./commands/config.ts"
import { docs } from "./commands/docs.ts"
import { events } from "./commands/events.ts"
import { models } from "./commands/models.ts"
import { paths } from "./commands/paths.ts"
import { plugin } from "./commands/plugin/plugin.ts"
import { run } from "./commands/run.ts"
import { sessions } from "./commands/sessions.ts"
import { trust } from "./commands/trust.ts"
import { why } from "./commands/why.ts"
import { makeCli } from "./dispatch.ts"
import { closeScreen, newScreen } from "./screen.ts"
import { tour } from "./tour/tour.ts"

export default definePlugin<Away>({
  per: "process",
  state: { version: 1, init: () => ({}) },
  async setup(graft) {
    const screen = await graft.keep("screen", "terminal", newScreen, closeScreen)
    if (screen.talk) addFace(graft, screen.talk)
    graft.provide("cli", makeCli(graft, screen))
    graft.add("subcommand", [chat(graft, screen), run(graft, screen), plugin(graft), events(graft), models(graft), why(graft), config(graft), auth(graft), sessions(graft), trust(graft), paths(graft), docs(graft), tour(graft)])
  },
})
