/** What people write for agents: AGENTS.md of the user, of the project, and of each directory down to the session's. */
import { definePlugin } from "graft"
import { makeInstruction, type Told } from "./instructions.ts"

export default definePlugin<Told>({
  per: "location",
  state: { version: 1, init: () => ({ files: {} }) },
  setup(graft) {
    graft.provide("instruction", makeInstruction(graft))
  },
})
