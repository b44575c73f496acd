/** The tool `task`. */
import { definePlugin } from "graft"
import { makeTask } from "./task.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(makeTask(graft))
  },
})
