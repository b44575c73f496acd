/** The tool `grep`. */
import { definePlugin } from "graft"
import { grep } from "./grep.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(grep)
  },
})
