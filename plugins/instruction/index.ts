/** What people write for agents: AGENTS.md of the user, of the project, and of each directory down to the session's. */
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { instructionFiles } from "./files.ts"
import { makeInstruction, type Told } from "./instructions.ts"

export default definePlugin<Told>({
  per: "location",
  state: { version: 1, init: () => ({ files: {} }) },
  setup(graft) {
    const instruction = makeInstruction(graft)
    const files = instructionFiles(paths(graft.kernel.host.dataDir).config, graft.location!)
    graft.provide("instruction", instruction)
    graft.add("watched", files.map((path) => ({ id: `instruction ${path}`, path })))
    graft.on("watch.changed", (changed) => (changed.paths.some((path) => files.includes(path)) ? instruction.list(graft.location!) : undefined))
  },
})
