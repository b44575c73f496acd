/** The durable event log: append with a fence, read, follow, claim; read models kept in the same transaction. */
import { definePlugin } from "graft"
import { Appender } from "./appender.ts"
import { Claims, newRuntime } from "./claims.ts"
import type { Upcast } from "./contract.ts"
import { Projections } from "./projections.ts"
import { keyOf, Reader } from "./reader.ts"
import { tablesIn } from "./tables.ts"
import { Tails } from "./tail.ts"
import { Teller } from "./teller.ts"

export default definePlugin({
  per: "process",
  needs: ["store"],
  slots: { upcast: { key: (item: Upcast) => keyOf(item) } },
  async setup(graft) {
    const { store } = graft
    // Who this process is, and whom to wake: what one generation appends is followed on another.
    const { runtime, bells } = await graft.keep("log", "process", () => ({ runtime: newRuntime(), bells: new Set<(aggregate: string) => void>() }), (log) => store.letGo(log.runtime).catch(() => {}))
    const ready = tablesIn(store)
    const reader = new Reader(store, graft.all("upcast"), ready)
    const projections = new Projections(store, graft.all("projection"), reader, ready)
    const tails = new Tails(graft, reader)
    const claims = new Claims(graft, runtime, ready)
    const appender = new Appender({ store, projections, teller: new Teller(graft), ring: (aggregate) => { for (const bell of bells) bell(aggregate) } })

    const bell = (aggregate: string) => tails.ring(aggregate)
    bells.add(bell)
    graft.defer(() => void bells.delete(bell))
    graft.onCommit(() => projections.prepare())
    graft.all("projection").onChange(() => projections.prepare())

    graft.provide("eventlog", {
      append: (batch) => appender.append(batch),
      read: (query) => reader.read(query),
      head: (aggregate) => reader.head(aggregate),
      tail: (query) => tails.tail(query),
      claim: (aggregate, owner) => claims.claim(aggregate, owner),
      release: (aggregate, epoch) => claims.release(aggregate, epoch),
      runtime: async () => runtime,
      rebuild: (projection) => projections.rebuild(projection),
    })
  },
})
