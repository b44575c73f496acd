/** Work that outlives a turn: background commands and subagents, seen to across crashes and restarts, their ends told exactly once. */
import { definePlugin } from "graft"
import { jobProjection } from "./projection.ts"
import { makeService } from "./service.ts"
import type { Running } from "./typed.ts"

export default definePlugin({
  per: "process",
  needs: ["store", "eventlog", "session"],
  assets: ["shim.cjs"],
  async setup(graft) {
    const running = await graft.keep<Running>("commands", "typed", () => ({ ids: new Set() }), ({ leash }) => leash?.close())
    const { recover, removed, ...jobs } = makeService(graft, running)
    graft.add("projection", jobProjection)
    graft.provide("job", jobs)
    graft.on("session.deleted", ({ session }) => removed(session))
    graft.fork(recover)
  },
})
