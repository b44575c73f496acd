/** The tool `patch`. */
import { definePlugin } from "graft"
import { makePatch } from "./patch.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(makePatch(graft))
  },
})
