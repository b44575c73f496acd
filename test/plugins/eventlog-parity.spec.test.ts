/**
 * What every log keeps to, wherever it keeps its events: the laws S1–S6, S9, S20 and S27 as a contract. The real one runs
 * it, the one in memory with which other specs work, and so should any other that takes their place.
 */
import fc from "fast-check"
import { createKernel, definePlugin, type Definition } from "graft"
import { describe, expect, test } from "vitest"
import type { Append, EventLog, StoredEvent } from "../../plugins/eventlog/contract.ts"
import type { Store } from "../../plugins/store/contract.ts"
import { admitted, drawn, everything, rowsOf } from "../fixtures/accounts.ts"
import { soon } from "../fixtures/conversation.ts"
import { accounts, makeHome } from "../fixtures/log.ts"
import { memoryLog } from "../fixtures/memory-log.ts"

/** Renames a field, then counts it in cents: two steps. */
const upcasts: Definition = definePlugin({ per: "process", setup(graft) {
  graft.add("upcast", [{ type: "my.old", from: 1, upcast: (data) => ({ euros: (data as { sum: number }).sum }) }, { type: "my.old", from: 2, upcast: (data) => ({ cents: (data as { euros: number }).euros * 100 }) }])
} })

interface Kept extends AsyncDisposable { log: EventLog; store: Store; told: { event: string; location?: string; payload: unknown }[]; settled(): Promise<void> }

const kinds: Record<string, () => Promise<Kept>> = {
  async real() {
    const home = makeHome()
    const { kernel, log, store } = await home.kernel({ extra: { accounts, upcasts } })
    return { log, store, told: hear(kernel), settled: () => kernel.settled(), [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() }
  },
  async "in memory"() {
    const memory = memoryLog()
    const kernel = createKernel()
    for (const [id, definition] of Object.entries({ store: memory.store, eventlog: memory.eventlog, accounts, upcasts })) await kernel.put(id, definition)
    await kernel.start()
    return { log: kernel.graft.eventlog, store: kernel.graft.store, told: hear(kernel), settled: () => kernel.settled(), [Symbol.asyncDispose]: () => kernel.close() }
  },
}

function hear(kernel: ReturnType<typeof createKernel>): Kept["told"] {
  const told: Kept["told"] = []
  kernel.on("*", (payload, { event, location }) => { if (/^(session|account|my)\./.test(event)) told.push({ event, payload, ...(location && { location }) }) })
  return told
}
const code = (work: Promise<unknown>): Promise<unknown> => work.then(() => "done", (error: { code?: string }) => error.code)
const make = (log: EventLog, aggregate = "s1", more: Partial<Append> = {}) => log.append({ aggregate, create: "session", actor: "user", events: [{ type: "session.created", data: {} }], ...more })

describe.each(Object.entries(kinds))("%s", (_, open) => {
  test("appends in dense places, whole batches, and creates only where asked", async () => {
    await using kept = await open()
    const { log } = kept
    expect(await code(log.append({ aggregate: "s1", actor: "x", events: [] }))).toBe("eventlog.unknown")
    expect(await log.head("s1")).toBeUndefined()
    const made = await make(log)
    expect(made).toMatchObject({ first: 1, last: 1, repeated: false })
    const head = await log.head("s1")
    expect(head).toEqual({ seq: 1, cursor: made.cursor, epoch: 0 })
    expect(await make(log, "s1", { events: [admitted(3), admitted(4)] })).toMatchObject({ first: 2, last: 3 })
    expect(await log.append({ aggregate: "s1", actor: "user", events: [] })).toMatchObject({ first: 4, last: 3, repeated: false })
    expect((await everything(log, "s1")).map(({ seq, type, actor, version, data }) => [seq, type, actor, version, data])).toEqual([[1, "session.created", "user", 1, {}], [2, "session.input.admitted", "user", 1, { amount: 3 }], [3, "session.input.admitted", "user", 1, { amount: 4 }]])
  })

  test("keeps read models in the same commit, and refuses what they refuse, whole", async () => {
    await using kept = await open()
    const { log, store } = kept
    await make(log)
    const { epoch } = await log.claim("s1", await log.runtime())
    await log.append({ aggregate: "s1", epoch, actor: "x", events: [admitted(5), drawn(2)] })
    const before = await rowsOf(store)
    expect(await code(log.append({ aggregate: "s1", epoch, actor: "x", events: [admitted(1), drawn(100)] }))).toBe("store.conflict")
    expect(await rowsOf(store)).toBe(before)
    expect(JSON.parse(before)[0]).toEqual([{ id: "s1", sum: 3, n: 2 }])
    expect((await log.head("s1"))?.seq).toBe(3)
  })

  test("gives a repeated command its receipt, and another content under its id a conflict", async () => {
    await using kept = await open()
    const { log } = kept
    await make(log)
    const ask = (hash: string) => log.append({ aggregate: "s1", actor: "user", events: [admitted(1)], command: { id: "c", kind: "ask", hash } })
    const first = await ask("h")
    await log.append({ aggregate: "s1", actor: "user", events: [admitted(2)] })
    expect(await ask("h")).toEqual({ ...first, repeated: true })
    expect(await code(ask("g"))).toBe("eventlog.conflict")
    expect((await log.head("s1"))?.seq).toBe(3)
  })

  test("fences what was said under another epoch; a released epoch is still the last", async () => {
    await using kept = await open()
    const { log } = kept
    await make(log)
    const me = await log.runtime()
    expect(await log.runtime()).toBe(me)
    const work = (epoch: number) => code(log.append({ aggregate: "s1", epoch, actor: "x", events: [{ type: "my.work", data: 1 }] }))
    expect(await log.claim("s1", me)).toEqual({ epoch: 1 })
    expect(await log.claim("s1", me)).toEqual({ epoch: 2 })
    expect([await work(1), await work(2), await work(3)]).toEqual(["eventlog.fenced", "done", "eventlog.fenced"])
    expect(await code(log.claim("s1", "rt_another"))).toBe("eventlog.owned")
    await log.release("s1", 1)
    expect(await code(log.claim("s1", "rt_another"))).toBe("eventlog.owned")
    await log.release("s1", 2)
    expect(await work(2)).toBe("done")
    expect(await log.claim("s1", "rt_another")).toEqual({ epoch: 3 })
    expect(await work(2)).toBe("eventlog.fenced")
    expect((await log.head("s1"))?.epoch).toBe(3)
  })

  test("reads pages after an exclusive cursor, given as such or as a bare number", async () => {
    await using kept = await open()
    const { log } = kept
    await make(log)
    for (let n = 0; n < 9; n++) await log.append({ aggregate: "s1", actor: "user", events: [admitted(n)] })
    const whole = await everything(log, "s1")
    for (const limit of [1, 3, 10, 50]) expect(await everything(log, "s1", limit)).toEqual(whole)
    const page = await log.read({ aggregate: "s1", after: 4, limit: 2 })
    expect([page.events.map(({ seq }) => seq), page.head]).toEqual([[5, 6], 10])
    expect((await log.read({ aggregate: "s1", after: page.next })).events.map(({ seq }) => seq)).toEqual([7, 8, 9, 10])
    const { cursor } = (await log.head("s1"))!
    expect(await log.read({ aggregate: "s1", after: cursor })).toEqual({ events: [], next: cursor, head: 10 })
  })

  test("tells after the commit what was stored; and what is repeated or refused is not told", async () => {
    await using kept = await open()
    const { log, told } = kept
    await make(log)
    const data = { amount: 1, gone: undefined }
    const ask = () => log.append({ aggregate: "s1", actor: "user", events: [{ type: "session.input.admitted", data }], command: { id: "c", kind: "ask", hash: "h" } })
    await ask()
    await ask()
    await code(log.append({ aggregate: "s1", epoch: 9, actor: "user", events: [admitted(1)] }))
    await kept.settled()
    const created = expect.any(Number) as number
    expect(told).toEqual([
      { event: "session.created", payload: { session: "s1", seq: 1, created, data: {} } },
      { event: "session.input.admitted", payload: { session: "s1", seq: 2, created, data: { amount: 1 } } },
    ])
  })

  test("a tail gives what is there, then what comes", async () => {
    await using kept = await open()
    const { log } = kept
    await make(log)
    const heard: StoredEvent[] = []
    const following = (async () => {
      for await (const event of log.tail({ aggregate: "s1", after: 0 })) if (heard.push(event) === 3) break
    })()
    await log.append({ aggregate: "s1", actor: "user", events: [admitted(1)] })
    await new Promise((resolve) => setImmediate(resolve))
    await log.append({ aggregate: "s1", actor: "user", events: [admitted(2)] })
    await soon(following)
    expect(heard).toEqual(await everything(log, "s1"))
  })

  test("takes an event once, by its name, and another under that name never (S1)", async () => {
    await using kept = await open()
    const { log } = kept
    await make(log)
    const { epoch } = await log.claim("s1", await log.runtime())
    const say = (...events: Append["events"]) => log.append({ aggregate: "s1", epoch, actor: "x", events })
    const batch = [{ type: "my.a", id: "evt_1", data: { n: 1 } }, { type: "my.b", data: [1] }]
    const first = await say(...batch)
    await say({ type: "my.c", data: null })
    expect(await say(...batch)).toEqual({ ...first, repeated: true })
    for (const wrong of [{ ...batch[0]!, data: { n: 2 } }, { ...batch[0]!, type: "my.x" }, { ...batch[0]!, version: 2 }, { ...batch[0]!, causation: "c" }]) expect(await code(say(wrong, batch[1]!))).toBe("eventlog.divergent")
    expect(await code(say(batch[1]!, batch[0]!))).toBe("eventlog.divergent")
    await make(log, "s2")
    expect(await code(log.append({ aggregate: "s2", epoch, actor: "x", events: batch }))).toBe("eventlog.divergent")
    expect((await log.head("s1"))?.seq).toBe(4)
    const ids = (await everything(log, "s1")).map(({ id }) => id)
    expect(new Set(ids).size).toBe(4)
  })

  test("lets anybody ask, and only the owner work (§2.2)", async () => {
    await using kept = await open()
    const { log } = kept
    await make(log)
    expect(await Promise.all(["session.interrupt.requested", "job.cancel.requested", "activity.recovery.decided", "my.work", "tool.started"].map((type) => code(log.append({ aggregate: "s1", actor: "x", events: [{ type, data: {} }] }))))).toEqual(["done", "done", "done", "eventlog.fenced", "eventlog.fenced"])
  })

  test("refuses a cursor of another log, and one ahead of it: never a silent wait", async () => {
    await using kept = await open()
    const { log } = kept
    const { cursor } = await make(log)
    const other = await make(log, "s2")
    for (const after of [9, cursor.replace(":1", ":2"), other.cursor, "what", -1]) {
      expect(await code(log.read({ aggregate: "s1", after }))).toBe("eventlog.cursor")
      expect(await code(log.tail({ aggregate: "s1", after })[Symbol.asyncIterator]().next())).toBe("eventlog.cursor")
    }
    for (const absent of [() => log.read({ aggregate: "nobody" }), () => log.claim("nobody", "x"), () => log.remove("nobody"), () => log.claimReplay("nobody", "x"), () => log.replicate("nobody", "x", []), () => log.rebuild("nobody")]) expect(await code(absent())).toBe("eventlog.unknown")
  })

  test("brings an old version up to date as it is read, and passes a type that nobody knows (S3)", async () => {
    await using kept = await open()
    const { log } = kept
    await make(log)
    const { epoch } = await log.claim("s1", await log.runtime())
    await log.append({ aggregate: "s1", epoch, actor: "x", events: [{ type: "my.old", version: 1, data: { sum: 2 } }, { type: "my.old", version: 2, data: { euros: 3 } }, { type: "my.old", version: 3, data: { cents: 5 } }, { type: "of.tomorrow", version: 9, data: { a: [null] } }] })
    const read = (await log.read({ aggregate: "s1", after: 1 })).events.map(({ version, data }) => [version, data])
    expect(read).toEqual([[3, { cents: 200 }], [3, { cents: 300 }], [3, { cents: 5 }], [9, { a: [null] }]])
    expect((await log.read({ aggregate: "s1", types: ["of.tomorrow"] })).events.map(({ seq }) => seq)).toEqual([5])
  })

  test("is rebuilt to the very same rows (S2)", async () => {
    await using kept = await open()
    const { log, store } = kept
    for (const id of ["s1", "s2"]) {
      await make(log, id)
      const { epoch } = await log.claim(id, await log.runtime())
      await log.append({ aggregate: id, epoch, actor: "x", events: [admitted(9), drawn(2), admitted(1)] })
    }
    const rows = await rowsOf(store)
    expect(await log.rebuild("accounts")).toEqual({ events: 6, damaged: [] })
    expect(await rowsOf(store)).toBe(rows)
  })

  test("tells each tail each event once, in order, wherever the commits fall (S6)", async () => {
    await using kept = await open()
    const { log } = kept
    await make(log)
    await fc.assert(fc.asyncProperty(fc.array(fc.nat(2), { minLength: 1, maxLength: 12 }), fc.nat(4), async (bursts, pause) => {
      const from = (await log.head("s1"))!.seq
      const most = bursts.reduce((sum, n) => sum + n, 0)
      const followers = Array.from({ length: 2 }, async () => {
        const heard: number[] = []
        if (most > 0) for await (const { seq } of log.tail({ aggregate: "s1", after: from })) if (heard.push(seq) === most) break
        return heard
      })
      for (const [i, count] of bursts.entries()) {
        if (i % 5 === pause) await new Promise((resolve) => setImmediate(resolve))
        if (count > 0) await log.append({ aggregate: "s1", actor: "user", events: Array.from({ length: count }, () => admitted(1)) })
      }
      for (const heard of await soon(Promise.all(followers))) expect(heard).toEqual(Array.from({ length: most }, (_, i) => from + 1 + i))
    }), { numRuns: 15 })
  })

  test("whatever is asked in whatever order: places are dense, names are once, epochs never fall, a replica is its keeper's (S1, S9, S20, S27)", async () => {
    await using kept = await open()
    const { log } = kept
    const me = await log.runtime()
    let serial = 0
    const step = fc.oneof(
      fc.record({ do: fc.constant("ask" as const), name: fc.nat(2), hash: fc.constantFrom("h", "g") }),
      fc.record({ do: fc.constant("work" as const), count: fc.nat(3), behind: fc.constantFrom(0, 0, 1) }),
      fc.record({ do: fc.constantFrom("claim" as const, "release" as const, "keep" as const, "replicate" as const, "let go" as const) }),
    )
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const id = `m${++serial}`
      await make(log, id)
      let [seq, epoch, owned, keeper] = [1, 0, false, false]
      const receipts = new Map<number, { hash: string; last: number }>()
      for (const next of steps) {
        if (next.do === "claim") {
          expect(await log.claim(id, me).catch((error: { code: string }) => error.code)).toEqual(keeper ? "eventlog.replica" : { epoch: ++epoch })
          owned ||= !keeper
        } else if (next.do === "release") {
          await log.release(id, epoch)
          owned = false
        } else if (next.do === "keep") {
          expect(await code(log.claimReplay(id, "keeper"))).toBe(owned ? "eventlog.owned" : "done")
          keeper ||= !owned
        } else if (next.do === "let go") {
          await log.releaseReplay(id, "keeper")
          keeper = false
        } else if (next.do === "replicate") {
          const given = { aggregate: id, seq: seq + 1, type: "my.copy", version: 1, epoch, actor: "there", created: 5, data: { n: seq } }
          expect(await code(log.replicate(id, "other", [given]))).toBe("eventlog.replica")
          expect(await code(log.replicate(id, "keeper", [given]))).toBe(keeper ? "done" : "eventlog.replica")
          if (keeper) seq++
        } else if (next.do === "ask") {
          const known = receipts.get(next.name)
          const asked = log.append({ aggregate: id, actor: "user", events: [admitted(1)], command: { id: `${id}/${next.name}`, kind: "ask", hash: next.hash } })
          if (known && known.hash !== next.hash) expect(await code(asked)).toBe("eventlog.conflict")
          else if (known) expect(await asked).toMatchObject({ last: known.last, repeated: true })
          else if (keeper) expect(await code(asked)).toBe("eventlog.replica")
          else {
            expect(await asked).toMatchObject({ last: ++seq, repeated: false })
            receipts.set(next.name, { hash: next.hash, last: seq })
          }
        } else if (next.do === "work") {
          const worked = log.append({ aggregate: id, epoch: epoch - next.behind, actor: "me", events: Array.from({ length: next.count }, () => ({ type: "my.work", data: 1 })) })
          if (keeper) expect(await code(worked)).toBe("eventlog.replica")
          else if (next.behind > 0) expect(await code(worked)).toBe("eventlog.fenced")
          else expect(await worked).toMatchObject({ first: seq + 1, last: (seq += next.count) })
        }
      }
      const events = await everything(log, id, 7)
      expect(events.map((event) => event.seq)).toEqual(Array.from({ length: seq }, (_, i) => i + 1))
      expect(events.every((event, i) => i === 0 || event.epoch >= events[i - 1]!.epoch)).toBe(true)
      expect(await log.head(id)).toMatchObject({ seq, epoch })
    }), { numRuns: 30 })
  })

  test("is copied as it is, without telling anybody (S4, S27), and taken away whole", async () => {
    await using kept = await open()
    const { log, store, told } = kept
    await make(log)
    const { epoch } = await log.claim("s1", await log.runtime())
    await log.append({ aggregate: "s1", epoch, actor: "x", events: [admitted(5), { ...drawn(2), id: "evt_x", causation: "c" }] })
    await log.release("s1", epoch)
    const logId = (await log.head("s1"))!.cursor.split(":")[0]!
    const events = await everything(log, "s1")
    const rows = await rowsOf(store)
    await log.remove("s1")
    expect(await log.head("s1")).toBeUndefined()
    expect(await rowsOf(store)).toBe("[[],[]]")
    await kept.settled()
    told.length = 0
    await log.claimReplay("s1", "keeper", { kind: "session", logId })
    expect(await log.replicate("s1", "keeper", events.slice(0, 2))).toEqual({ head: 2 })
    expect(await code(log.replicate("s1", "keeper", [{ ...events[1]!, actor: "y" }]))).toBe("eventlog.divergent")
    expect(await code(log.replicate("s1", "keeper", [{ ...events[2]!, seq: 4 }]))).toBe("eventlog.gap")
    expect(await log.replicate("s1", "keeper", events)).toEqual({ head: 3 })
    await kept.settled()
    expect(told).toEqual([])
    expect((await everything(log, "s1")).map((event) => ({ ...event, position: 0 }))).toEqual(events.map((event) => ({ ...event, position: 0 })))
    expect(await rowsOf(store)).toBe(rows)
    await log.releaseReplay("s1", "keeper")
    expect(await log.claim("s1", await log.runtime())).toEqual({ epoch: epoch + 1 })
  })
})
