/** What people write for agents: AGENTS.md of the user (other agents' too), of the project, and of each directory down to the session's, and what the config names. */
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { instructionFiles } from "./files.ts"
import { makeInstruction, type Told } from "./instructions.ts"
import { section } from "./section.ts"
import type { Sessions } from "./session.ts"

export default definePlugin<Told>({
  per: "location",
  state: { version: 2, init: () => ({ files: {}, named: [] }) },
  async setup(graft) {
    const sessions = await graft.keep("sessions", "told 1", (): Sessions => new Map(), () => {})
    const { forget, ...instruction } = makeInstruction(graft, sessions)
    const files = instructionFiles(paths(graft.kernel.host.dataDir).config, graft.location!)
    graft.provide("instruction", instruction)
    // What was told is no longer in the conversation: it is told anew, in front.
    for (const event of ["session.compaction.ended", "session.reverted"] as const) graft.on(event, ({ session }) => void sessions.delete(session))
    graft.add("configSection", section)
    graft.on("config.changed", ({ paths: changed }) => {
      if (!changed.some((path) => ["compat", "instructions"].includes(path.split(".")[0]!))) return undefined
      forget()
      return instruction.list(graft.location!)
    })
    graft.add("watched", files.map((path) => ({ id: `instruction ${path}`, path })))
    graft.on("watch.changed", (changed) => (changed.paths.some((path) => files.includes(path)) ? instruction.list(graft.location!) : undefined))
  },
})
