/** Hooks that were written for Claude Code, run where they stand. */
import { definePlugin } from "graft"
import { openLeash } from "../lib/leash.ts"
import { Hooked } from "./hooked.ts"
import type { HooksState } from "./seen.ts"
import { Wanted } from "./wanted.ts"

export default definePlugin<HooksState>({
  per: "location",
  state: { version: 1, init: () => ({ sessions: {}, gen: 0 }) },
  async setup(graft) {
    const wanted = new Wanted(graft)
    const hooked = new Hooked(graft, await graft.keep("leash", graft.location!, openLeash, (open) => open.close()), wanted)
    const files = new Set(wanted.places.map(({ path }) => path))
    graft.add("watched", [...files].map((path) => ({ id: `claude hooks ${path}`, path, depth: 0 })))
    graft.on("watch.changed", ({ paths }) => (paths.some((path) => files.has(path)) ? hooked.look() : undefined))
    graft.on("config.changed", ({ paths }) => (paths.some((path) => path.split(".")[0] === "compat") ? hooked.look() : undefined))
    for (const event of ["trust.granted", "trust.revoked"] as const) graft.on(event, ({ location }) => (location === graft.location ? hooked.look() : undefined))
    graft.onCommit(() => graft.state.update((draft) => { draft.gen = graft.gen }))
    graft.defer(() => hooked.end())
    // A call of a tool that a hook would refuse may be the first thing that happens.
    await hooked.look()
  },
})
