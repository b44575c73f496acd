/** The tool `edit`. */
import { definePlugin } from "graft"
import { makeEdit } from "./edit.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(makeEdit(graft))
  },
})
