/** The tool `read`. */
import { definePlugin } from "graft"
import { makeRead } from "./read.ts"
import { Rules, type RulesState } from "./rules.ts"

export default definePlugin<RulesState>({
  per: "location",
  state: { version: 1, init: () => ({ told: {} }) },
  setup(graft) {
    const rules = new Rules(graft)
    graft.tool.register(makeRead(graft, rules))
    graft.on("session.compaction.ended", ({ session }) => rules.forget(session))
  },
})
