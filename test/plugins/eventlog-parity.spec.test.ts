/** The log in memory, with which other specs work, behaves as the real one does: both keep this contract. */
import { createKernel } from "graft"
import { describe, expect, test } from "vitest"
import type { Append, EventLog, StoredEvent } from "../../plugins/eventlog/contract.ts"
import type { Store } from "../../plugins/store/contract.ts"
import { admitted, drawn, everything, rowsOf } from "../fixtures/accounts.ts"
import { soon } from "../fixtures/conversation.ts"
import { accounts, makeHome } from "../fixtures/log.ts"
import { memoryLog } from "../fixtures/memory-log.ts"

interface Kept extends AsyncDisposable { log: EventLog; store: Store; told: { event: string; location?: string; payload: unknown }[]; settled(): Promise<void> }

const kinds: Record<string, () => Promise<Kept>> = {
  async real() {
    const home = makeHome()
    const { kernel, log, store } = await home.kernel({ extra: { accounts } })
    return { log, store, told: hear(kernel), settled: () => kernel.settled(), [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() }
  },
  async "in memory"() {
    const memory = memoryLog()
    const kernel = createKernel()
    for (const [id, definition] of Object.entries({ store: memory.store, eventlog: memory.eventlog, accounts })) await kernel.put(id, definition)
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
})
