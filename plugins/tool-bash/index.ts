/** The tool `bash`, and the hook `shell.env`. */
import { join } from "node:path"
import { definePlugin } from "graft"
import { openLeash } from "../lib/leash.ts"
import { paths } from "../lib/paths.ts"
import { makeBash } from "./bash.ts"
import { Directories } from "./directories.ts"

export default definePlugin({
  per: "location",
  async setup(graft) {
    const leash = await graft.keep("leash", graft.location!, openLeash, (open) => open.close())
    const directories = new Directories(join(paths(graft.kernel.host.dataDir).data, "shells"))
    graft.tool.register(makeBash(graft, leash, directories))
    graft.on("session.deleted", ({ session }) => directories.forget(session))
  },
})
