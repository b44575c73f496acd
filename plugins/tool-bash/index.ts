/** The tool `bash`, and the hook `shell.env`. */
import { definePlugin } from "graft"
import { openLeash } from "../lib/leash.ts"
import { makeBash } from "./bash.ts"

export default definePlugin({
  per: "location",
  async setup(graft) {
    const leash = await graft.keep("leash", graft.location!, openLeash, (open) => open.close())
    graft.tool.register(makeBash(graft, leash))
  },
})
