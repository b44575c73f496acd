/** The tool `grep`. */
import { definePlugin } from "graft"
import { makeGrep } from "./grep.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(makeGrep(graft))
  },
})
