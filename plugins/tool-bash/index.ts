/** The tool `bash`, and the hook `shell.env`. */
import { definePlugin } from "graft"
import { makeBash } from "./bash.ts"

export default definePlugin({
  per: "location",
  setup(graft) {
    graft.tool.register(makeBash(graft))
  },
})
