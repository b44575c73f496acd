/** What work did to files, kept beside the project, so that it can be taken back. */
import { definePlugin } from "graft"
import type { Keeper, KeeperState } from "./keeper.ts"

/** Milliseconds that a call waits for the state before it. */
const PATIENCE = 30_000

export default definePlugin<KeeperState>({
  per: "location",
  state: { version: 1, init: () => ({ wrote: {} }) },
  setup(graft) {
    let made: Promise<Keeper> | undefined
    // A start needs none of it; the first answer does.
    const keeper = () => (made ??= import("./keeper.ts").then(({ makeKeeper }) => makeKeeper(graft)))
    graft.on("provider.attempt.output", async () => (await keeper()).warm())
    // After those that may still refuse the call.
    graft.on("tool.before", async ({ session, name }) => (await keeper()).before(session, name), { order: 1_000, deadline: PATIENCE })
    graft.on("activity.settled", async ({ session }) => (await keeper()).ended(session))
    graft.on("activity.interrupted", async ({ session }) => (await keeper()).ended(session))
    graft.on("activity.parked", async ({ session }) => (await keeper()).ended(session))
    graft.on("session.deleted", async ({ session }) => (await keeper()).forget(session))
    graft.provide("snapshot", {
      plan: async (session, from) => (await keeper()).plan(session, from),
      apply: async (snapshot, way) => (await keeper()).apply(snapshot, way),
    })
  },
})
