/** The tool `read`. */
import { definePlugin } from "graft"
import { makeRead } from "./read.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(makeRead(graft))
  },
})
