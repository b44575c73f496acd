/** The tool `ls`. */
import { definePlugin } from "graft"
import { ls } from "./ls.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(ls)
  },
})
