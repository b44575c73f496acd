/** A project's own code runs after somebody has agreed to it, and not one byte of it before. */
import { join } from "node:path"
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { Agreements } from "./agreements.ts"
import { emptyState, Gate, type TrustState } from "./gate.ts"

export default definePlugin<TrustState>({
  per: "process",
  state: { version: 1, init: emptyState },
  setup(graft) {
    const agreements = new Agreements(join(paths(graft.kernel.host.dataDir).data, "trust.json"), (message) => graft.log.warn(message))
    const gate = new Gate(graft, agreements)
    graft.on("plugin.admit", (ask, meta) => gate.admit(ask, meta))
    graft.provide("trust", gate.service)
    graft.on("location.opened", ({ location }) => gate.opened(location))
    graft.on("location.closed", ({ location }) => gate.closed(location))
    graft.all("face").onChange(() => gate.faces())
    graft.add("watched", { id: "trust", path: agreements.file })
    graft.on("watch.changed", () => gate.look())
    graft.fork(() => gate.begin())
  },
})
