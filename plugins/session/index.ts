/** Sessions: the durable inbox, the read model, and the way from anywhere in the process to the runner of a project. */
import { definePlugin } from "graft"
import { makeWaiters } from "./idle.ts"
import { sessionProjection } from "./projection.ts"
import { makeSessions } from "./sessions.ts"

export default definePlugin({
  per: "process",
  needs: ["store", "eventlog"],
  events: {
    // A face that is slow for a moment loses no word; of progress only the latest counts.
    "message.part.delta": { cap: 20_000 },
    "tool.input.delta": { cap: 20_000 },
    "tool.progress": { coalesce: ({ session, call }: { session: string; call: string }) => `${session} ${call}` },
  },
  setup(graft) {
    const waiters = makeWaiters()
    graft.add("projection", sessionProjection)
    graft.on("session.idle", waiters.tell)
    graft.provide("session", makeSessions(graft, waiters))
  },
})
