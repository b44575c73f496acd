/** Plugins for opencode, V1, run here unmodified: files in its places, and published packages (`graft plugin add`). */
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { definePlugin, type Adapter, type Root } from "graft"
import { paths } from "../lib/paths.ts"
import type { PackageShape } from "./contract.ts"
import { lent } from "./lent.ts"
import { entries } from "./package.ts"

const FOLDERS = ["plugin", "plugins"]

export default definePlugin({
  per: "process",
  needs: ["config"],
  setup(graft) {
    // What speaks for that host is loaded with the first plugin that is written for it.
    const adapter: Adapter = { define: async (exports, file) => (await import("./adapter.ts")).define(exports, file), modules: lent }
    graft.add("packageShape", { id: "opencode", entries, adapter } satisfies PackageShape, { key: "opencode" })
    // Packages that are installed already come up with all else; whether they may run is for "package" to say.
    const packages = join(paths(graft.kernel.host.dataDir).data, "packages/live-opencode")
    graft.onCommit(() => {
      if (existsSync(packages) && !graft.kernel.roots().some(({ dir }) => dir === packages)) void graft.kernel.addRoot({ dir: packages, kind: "package", guarded: true, adapter })
    })
    const user = join(process.env.XDG_CONFIG_HOME || join(process.env.HOME || homedir(), ".config"), "opencode")
    const opened = new Set<string>()
    // Their code is somebody else's: it is asked about like a project's own, and left alone with the rest of that program's files.
    const open = async (roots: Root[]) => {
      const fresh = roots.filter(({ dir }) => !opened.has(dir))
      if (fresh.length === 0) return
      const compat = await graft.config.get<boolean | { opencode?: boolean }>("compat").catch(() => undefined)
      if (compat === false || (typeof compat === "object" && compat?.opencode === false)) return
      for (const root of fresh) {
        if (opened.has(root.dir)) continue
        opened.add(root.dir)
        const remove = await graft.kernel.addRoot({ ...root, per: "location", guarded: true, adapter })
        graft.defer(() => void remove())
      }
    }
    const look = (location: string) => open([
      ...(existsSync(join(location, ".opencode")) ? FOLDERS.map((name): Root => ({ dir: join(".opencode", name), kind: "project" })) : []),
      ...(existsSync(user) ? FOLDERS.map((name): Root => ({ dir: join(user, name), kind: "user" })) : []),
    ])
    graft.on("location.opened", ({ location }) => look(location))
    graft.fork(async () => { for (const location of graft.kernel.locations()) await look(location) })
  },
})
