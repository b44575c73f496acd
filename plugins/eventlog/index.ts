/** The durable event log: append with a fence, read, follow, claim; read models kept in the same transaction. */
import { definePlugin } from "graft"
import { Appender } from "./appender.ts"
import { Claims } from "./claims.ts"
import type { Upcast } from "./contract.ts"
import { Projections } from "./projections.ts"
import { keyOf, Reader } from "./reader.ts"
import { share } from "./shared.ts"
import { tablesIn } from "./tables.ts"
import { Tails } from "./tail.ts"
import { Teller } from "./teller.ts"

export default definePlugin({
  per: "process",
  needs: ["store"],
  slots: { upcast: { key: (item: Upcast) => keyOf(item) } },
  async setup(graft) {
    const { store } = graft
    const tables = tablesIn(store)
    const reader = new Reader(store, graft.all("upcast"), tables)
    const projections = new Projections(store, graft.all("projection"), reader, tables)
    const tails = new Tails(graft, reader)
    const { runtime, ring } = await share(graft, (aggregate) => tails.ring(aggregate))
    const claims = new Claims(graft, runtime, tables)
    const appender = new Appender({ store, projections, reader, teller: new Teller(graft), ring })

    graft.onCommit(() => projections.changed())
    graft.all("projection").onChange(() => projections.changed())
    graft.provide("eventlog", {
      append: (batch) => appender.append(batch),
      read: (query) => reader.read(query),
      head: (aggregate) => reader.head(aggregate),
      tail: (query) => tails.tail(query),
      claim: (aggregate, owner) => claims.claim(aggregate, owner),
      release: (aggregate, epoch) => claims.release(aggregate, epoch),
      runtime: async () => runtime,
      rebuild: (projection) => projections.rebuild(projection),
      claimReplay: (aggregate, owner, create) => claims.claimReplay(aggregate, owner, create),
      replicate: (aggregate, owner, events) => appender.replicate(aggregate, owner, events),
      releaseReplay: (aggregate, owner) => claims.releaseReplay(aggregate, owner),
      async remove(aggregate) {
        await projections.ready([])
        await claims.remove(aggregate, (tx) => projections.forget(tx, aggregate))
        ring(aggregate)
      },
    })
  },
})
