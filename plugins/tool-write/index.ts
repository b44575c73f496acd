/** The tool `write`. */
import { definePlugin } from "graft"
import { makeWrite } from "./write.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(makeWrite(graft))
  },
})
