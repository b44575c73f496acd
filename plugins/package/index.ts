/** Published plugins: installed by npm's rules beside the config, live at once, and only as they were installed. */
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { section } from "./section.ts"
import { servicesOf } from "./service.ts"
import { Shelf } from "./shelf.ts"

export default definePlugin({
  per: "process",
  needs: ["config"],
  async setup(graft) {
    const shelf = new Shelf(graft, paths(graft.kernel.host.dataDir).data)
    const { service, follow } = servicesOf(graft, shelf)
    graft.add("configSection", section)
    graft.provide("package", service)
    // Before whoever answers for projects: these are not theirs.
    graft.on("plugin.admit", (ask) => shelf.admit(ask), { order: -1 })
    graft.add("watched", { id: "package", path: shelf.lock.path })
    graft.on("watch.changed", async ({ paths: changed }) => { if (changed.includes(shelf.lock.path)) await shelf.look() })
    graft.on("config.changed", async ({ paths: changed }) => { if (changed.some((path) => path === "packages" || path.startsWith("packages."))) await follow() })
    // What is installed comes up with the rest; what is not is fetched once work has begun.
    graft.on("cli.started", ({ interactive }) => { if (interactive) graft.fork(follow) })
    graft.on("llm.requested", () => { graft.fork(follow) })
    // Who speaks for another host may come later than the packages that are written for it.
    graft.all("packageShape").onChange(() => shelf.look())
    const open = await shelf.begin()
    graft.onCommit(() => open())
  },
})
