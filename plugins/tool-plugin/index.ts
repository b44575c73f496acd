/** The tool `plugin`: with it the agent makes what it lacks, and takes it out again. And the types for who writes plugins by hand. */
import { definePlugin } from "graft"
import { keepCurrent } from "./current.ts"
import { makePluginTool } from "./tool.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(makePluginTool(graft))
    keepCurrent(graft)
  },
})
