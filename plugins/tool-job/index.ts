/** The tool `job`. */
import { definePlugin } from "graft"
import { makeJobTool } from "./job.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(makeJobTool(graft))
  },
})
