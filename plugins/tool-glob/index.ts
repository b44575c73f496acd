/** The tool `glob`. */
import { definePlugin } from "graft"
import { glob } from "./glob.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(glob)
  },
})
