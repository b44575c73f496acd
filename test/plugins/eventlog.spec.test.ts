/** What is in the log happened once, in one order, and was said by whoever might say it; what is read from it is the same for ever. */
import { mkdirSync, realpathSync } from "node:fs"
import { join } from "node:path"
import fc from "fast-check"
import { definePlugin } from "graft"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { Append, NewEvent, Projection, StoredEvent } from "../../plugins/eventlog/contract.ts"
import { ALLOCATE, HISTORY, PAGE } from "../../plugins/eventlog/tables.ts"
import { ACCOUNTS, admitted, drawn, everything, rowsOf } from "../fixtures/accounts.ts"
import { accounts, makeHome, type Home, type Opened } from "../fixtures/log.ts"

let home: Home
let opened: Opened
let serial = 0
beforeAll(async () => {
  home = makeHome()
  opened = await home.kernel({ extra: { accounts } })
})
afterAll(() => home[Symbol.asyncDispose]())

/** A session of its own for each test, with its owner's epoch. */
async function session(options: Partial<Append> = {}): Promise<{ id: string; epoch: number; say(...events: NewEvent[]): ReturnType<Opened["log"]["append"]> }> {
  const { log } = opened
  const id = `ses_${++serial}`
  await log.append({ aggregate: id, create: "session", actor: "user", events: [{ type: "session.created", data: {} }], ...options })
  const { epoch } = await log.claim(id, await log.runtime())
  return { id, epoch, say: (...events) => log.append({ aggregate: id, epoch, actor: "runtime:1", events }) }
}
const code = (work: Promise<unknown>): Promise<string> => work.then(() => "done", (error: { code?: string; message: string }) => error.code ?? error.message)
const typed = (type: string, data: NewEvent["data"] = {}): NewEvent => ({ type, data })

describe("appending", () => {
  test("gives each event the next place, and all of a batch or none", async () => {
    const { id, say } = await session()
    expect(await say(typed("a.b"), typed("a.c"))).toMatchObject({ first: 2, last: 3, repeated: false })
    expect(await code(say(admitted(5), drawn(9)))).toBe("store.conflict")
    expect(await say()).toMatchObject({ first: 4, last: 3 })
    const events = await everything(opened.log, id)
    expect(events.map(({ seq, type, epoch, actor }) => [seq, type, epoch, actor])).toEqual([[1, "session.created", 0, "user"], [2, "a.b", 1, "runtime:1"], [3, "a.c", 1, "runtime:1"]])
    expect(await opened.log.head(id)).toMatchObject({ seq: 3, epoch: 1 })
    const ids = events.map((event) => event.id)
    expect(ids).toEqual([...new Set(ids)].sort())
  })

  test("keeps what was given, and nothing that JSON has not", async () => {
    const { id, say } = await session()
    await say({ type: "a.b", version: 3, data: { text: "ü\u0000\u{1f600}", gone: undefined, deep: [1.5, null, { a: [] }] }, causation: "evt_x", correlation: "c" })
    expect((await everything(opened.log, id))[1]).toMatchObject({ version: 3, data: { text: "ü\u0000\u{1f600}", deep: [1.5, null, { a: [] }] }, causation: "evt_x", correlation: "c" })
    const circular: Record<string, unknown> = {}
    circular.self = circular
    for (const data of [circular, undefined, 1n, "x".repeat(17_000_000)]) expect(await code(say({ type: "a.b", data: data as never }))).toBe("eventlog.invalid")
    for (const batch of [{ aggregate: "" }, { actor: 7 }, { events: {} }, { events: [{ data: 1 }] }, { events: [null] }, { events: [{ type: "a.b", data: 1, id: 7 }] }]) expect(await code(opened.log.append({ aggregate: id, actor: "x", events: [], ...batch } as never))).toBe("eventlog.invalid")
    expect((await opened.log.head(id))?.seq).toBe(2)
  })

  test("makes an aggregate only where it is asked to", async () => {
    const { log } = opened
    expect(await code(log.append({ aggregate: "nobody", actor: "x", events: [] }))).toBe("eventlog.unknown")
    expect(await code(log.read({ aggregate: "nobody" }))).toBe("eventlog.unknown")
    expect(await log.head("nobody")).toBeUndefined()
    expect(await code(log.claim("nobody", "x"))).toBe("eventlog.unknown")
    await log.append({ aggregate: "catalog", create: "catalog", actor: "x", events: [typed("config.changed")] })
    await log.append({ aggregate: "catalog", create: "catalog", actor: "x", events: [typed("config.changed")] })
    expect((await log.head("catalog"))?.seq).toBe(2)
  })

  test("lets anybody ask, and only the owner work (§2.2)", async () => {
    const { id, epoch } = await session()
    const { log } = opened
    const say = (type: string, more: Partial<Append> = {}) => code(log.append({ aggregate: id, actor: "x", events: [typed(type, { amount: 1 })], ...more }))
    expect(await Promise.all(["session.input.admitted", "session.interrupt.requested", "session.updated", "permission.replied"].map((type) => say(type)))).toEqual(["done", "done", "done", "done"])
    expect(await Promise.all(["session.input.promoted", "tool.started", "my.event"].map((type) => say(type)))).toEqual(["eventlog.fenced", "eventlog.fenced", "eventlog.fenced"])
    expect(await Promise.all([epoch - 1, epoch, epoch + 1].map((e) => say("tool.started", { epoch: e })))).toEqual(["eventlog.fenced", "done", "eventlog.fenced"])
    expect((await everything(log, id)).map((event) => event.epoch)).toEqual([0, 1, 1, 1, 1, 1])
  })

  test("takes the same event once, and refuses another of the same name (S1)", async () => {
    const { id, say } = await session()
    const batch = [{ ...typed("a.b", { x: [1, 2] }), id: "evt_1" }, typed("a.c", { y: 1 })]
    const first = await say(...batch)
    await say(typed("a.d"))
    expect(await say(...batch)).toEqual({ ...first, repeated: true })
    expect(await say({ ...batch[0]!, data: { x: [1, 2], z: undefined } }, batch[1]!)).toEqual({ ...first, repeated: true })
    const other = await session()
    const wrong = [
      () => say({ ...batch[0]!, data: { x: [2, 1] } }), () => say({ ...batch[0]!, version: 2 }), () => say({ ...batch[0]!, type: "a.x" }), () => say({ ...batch[0]!, causation: "c" }), () => say({ ...batch[0]!, correlation: "c" }),
      () => say(typed("a.c"), batch[0]!), () => say(batch[0]!, typed("a.e")), () => say(batch[0]!, { ...batch[1]!, id: "evt_2" }), () => other.say(...batch),
    ]
    for (const [n, divergent] of wrong.entries()) expect(await code(divergent()), String(n)).toBe("eventlog.divergent")
    // The log's own names are names too.
    const [, , made] = await everything(opened.log, id)
    const { last } = await say({ type: made!.type, data: made!.data, id: made!.id })
    expect(last).toBe(3)
    expect(await code(say({ ...typed("a.c"), id: made!.id }))).toBe("eventlog.divergent")
    expect(await code(say({ ...typed("a.c"), id: made!.id.replace(/.$/, "z") }))).toBe("eventlog.divergent")
    expect(await everything(opened.log, id)).toHaveLength(4)
  })

  test("gives a command that is repeated its receipt, also when it comes many times at once (S9)", async () => {
    const { log } = opened
    const { id } = await session()
    const prompt = (hash = "h") => log.append({ aggregate: id, actor: "user", events: [admitted(1)], command: { id: `${id}/p`, kind: "prompt", hash } })
    const receipts = await Promise.all(Array.from({ length: 5 }, () => prompt()))
    expect(receipts.map(({ repeated }) => repeated)).toEqual([false, true, true, true, true])
    expect(new Set(receipts.map(({ first, last, cursor }) => `${first} ${last} ${cursor}`)).size).toBe(1)
    expect(await code(prompt("other"))).toBe("eventlog.conflict")
    const other = await session()
    expect(await code(log.append({ aggregate: other.id, actor: "user", events: [], command: { id: `${id}/p`, kind: "prompt", hash: "h" } }))).toBe("eventlog.conflict")
    // Its receipt outlives the epoch that it was given under.
    await log.claim(id, await log.runtime())
    expect(await prompt()).toEqual({ ...receipts[0], repeated: true })
  })

  test("carries other writes along, and is refused with them", async () => {
    const { id, epoch } = await session()
    const write = (expected: number) => opened.log.append({ aggregate: id, epoch, actor: "x", events: [typed("a.b")], writes: [{ sql: "UPDATE aggregate SET kind = kind WHERE id = ?", params: [id], expect: expected }] })
    expect(await code(write(2))).toBe("store.conflict")
    expect(await code(write(1))).toBe("done")
    expect((await opened.log.head(id))?.seq).toBe(2)
  })

  test("refuses what an owner said after something that was refused, until it looks again", async () => {
    const a = await session()
    const b = await session()
    const settled = await Promise.all([a.say(typed("a.1")), a.say(drawn(5)), b.say(typed("b.1")), a.say(typed("a.3")), a.say(typed("a.4"))].map(code))
    expect(settled).toEqual(["done", "store.conflict", "done", "store.conflict", "store.conflict"])
    expect(await code(a.say(typed("a.5")))).toBe("done")
    expect((await everything(opened.log, a.id)).map(({ type }) => type)).toEqual(["session.created", "a.1", "a.5"])
  })

  test("costs one commit for all sessions that append at once", async () => {
    const sessions = await Promise.all(Array.from({ length: 20 }, () => session()))
    const { commits } = await opened.store.info()
    await Promise.all(sessions.map(({ say }) => say(typed("a.b"))))
    expect((await opened.store.info()).commits - commits).toBe(1)
  })

  test("whatever is asked in whatever order: places are dense, epochs never fall, a repeat changes nothing (S1, S20)", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("ask" as const), command: fc.option(fc.nat(3)), hash: fc.constantFrom("h", "g") }),
      fc.record({ kind: fc.constant("work" as const), count: fc.nat(3), id: fc.option(fc.nat(4)), content: fc.nat(1), behind: fc.constantFrom(0, 0, 0, 1) }),
      fc.record({ kind: fc.constant("claim" as const) }), fc.record({ kind: fc.constant("release" as const) }),
    )
    const { log } = opened
    const me = await log.runtime()
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { id } = await session()
      let [seq, epoch] = [1, 1]
      const commands = new Map<number, { hash: string; last: number }>()
      const named = new Map<number, { content: number; count: number; last: number }>()
      for (const [n, next] of steps.entries()) {
        if (next.kind === "claim") expect(await log.claim(id, me)).toEqual({ epoch: ++epoch })
        else if (next.kind === "release") await log.release(id, epoch)
        else if (next.kind === "ask") {
          const known = next.command === null ? undefined : commands.get(next.command)
          const asked = log.append({ aggregate: id, actor: "user", events: [admitted(1)], ...(next.command !== null && { command: { id: `${id}/${next.command}`, kind: "ask", hash: next.hash } }) })
          if (known && known.hash !== next.hash) expect(await code(asked)).toBe("eventlog.conflict")
          else expect((await asked).last).toBe(known ? known.last : ++seq)
          if (next.command !== null && !known) commands.set(next.command, { hash: next.hash, last: seq })
        } else {
          const events = Array.from({ length: next.count }, (_, i): NewEvent => ({ ...typed("my.work", { of: next.id === null ? n + 2 : next.content }), ...(next.id !== null && i === 0 && { id: `${id}.${next.id}` }) }))
          const known = next.id === null || next.count === 0 ? undefined : named.get(next.id)
          const worked = log.append({ aggregate: id, epoch: epoch - next.behind, actor: "me", events })
          const same = known?.content === next.content && next.count <= known.count
          if (known && !same) expect(await code(worked)).toMatch(/divergent/)
          else if (known) expect((await worked).repeated).toBe(true)
          else if (next.behind > 0) expect(await code(worked)).toBe("eventlog.fenced")
          else {
            expect(await worked).toMatchObject({ first: seq + 1, last: (seq += next.count) })
            if (next.id !== null && next.count > 0) named.set(next.id, { content: next.content, count: next.count, last: seq })
          }
        }
      }
      const events = await everything(log, id, 7)
      expect(events.map((event) => event.seq)).toEqual(Array.from({ length: seq }, (_, i) => i + 1))
      expect(events.every((event, i) => i === 0 || event.epoch >= events[i - 1]!.epoch)).toBe(true)
      expect(await log.head(id)).toMatchObject({ seq, epoch })
    }), { numRuns: 25 })
  })
})

describe("reading", () => {
  test("pages of any size and from any cut join to the same list (S5)", async () => {
    const { id, say } = await session()
    for (let n = 0; n < 30; n++) await say(typed(n % 3 ? "a.b" : "a.c", { n }))
    const whole = await everything(opened.log, id)
    await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 }), fc.nat(30), fc.boolean(), async (sizes, start, filtered) => {
      const types = filtered ? ["a.c"] : undefined
      const joined: StoredEvent[] = []
      for (let n = 0, after: string | number = start; ; n++) {
        const page = await opened.log.read({ aggregate: id, after, limit: sizes[n % sizes.length]!, ...(types && { types }) })
        joined.push(...page.events)
        after = page.next
        if (after.endsWith(`:${page.head}`)) break
      }
      expect(joined).toEqual(whole.filter((event) => event.seq > start && (!types || types.includes(event.type))))
    }), { numRuns: 40 })
    expect((await opened.log.read({ aggregate: id, types: ["a.c"], after: 28 })).next).toMatch(/:31$/)
    expect((await opened.log.read({ aggregate: id, limit: 1e9 })).events).toHaveLength(31)
    expect((await opened.log.read({ aggregate: id, limit: -5 })).events).toHaveLength(1)
  })

  test("a cursor is of this log, and not ahead of it", async () => {
    const { id } = await session()
    const { cursor } = (await opened.log.head(id))!
    const other = (await opened.log.head((await session()).id))!.cursor
    expect(await opened.log.read({ aggregate: id, after: cursor })).toEqual({ events: [], next: cursor, head: 1 })
    for (const after of [other, `${cursor}0`, 2, "x:1", "", "1:", -1, 0.5, `${cursor}:1`]) expect(await code(opened.log.read({ aggregate: id, after })), String(after)).toBe("eventlog.cursor")
    await expect(opened.log.read({ aggregate: id, after: 7 })).rejects.toThrow(/ahead of its head 1/)
    await expect(opened.log.read({ aggregate: id, after: other })).rejects.toThrow(/belongs to another log/)
    await expect(opened.log.tail({ aggregate: id, after: 7 })[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "eventlog.cursor" })
  })

  test("an old version is brought up to date step by step, an unknown type passes as it is (S3)", async () => {
    const { id, say } = await session()
    await say({ type: "my.name", data: { name: "Ada Lovelace" } }, { type: "my.name", version: 2, data: { first: "Ada", last: "Byron" } }, typed("who.knows", [1]))
    const { kernel, log } = opened
    await kernel.put("upcasts", definePlugin({ per: "process", setup: (graft) => void graft.add("upcast", [
      { type: "my.name", from: 1, upcast: (data) => { const [first = "", last = ""] = (data as { name: string }).name.split(" "); return { first, last } } },
      { type: "my.name", from: 2, upcast: ({ first, last }: any) => ({ first, last, initials: `${first[0]}${last[0]}` }) },
    ]) }))
    const read = async () => (await everything(log, id)).slice(1).map(({ version, data }) => [version, data])
    expect(await read()).toEqual([[3, { first: "Ada", last: "Lovelace", initials: "AL" }], [3, { first: "Ada", last: "Byron", initials: "AB" }], [1, [1]]])
    await kernel.put("upcasts", definePlugin({ per: "process", setup: (graft) => void graft.add("upcast", { type: "my.name", from: 1, upcast: () => { throw new TypeError("oh") } }) }))
    await expect(read()).rejects.toMatchObject({ code: "eventlog.upcast", message: expect.stringMatching(/my\.name from version 1 failed.*oh/) as string })
    await kernel.drop("upcasts")
    expect((await read())[0]).toEqual([1, { name: "Ada Lovelace" }])
  })

  test("every question is answered from an index, and nothing is sorted", async () => {
    const plan = async (sql: string, params: unknown[]) => (await opened.store.write((tx) => tx.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, params as never))).map(({ detail }) => detail)
    expect(await plan(PAGE, [1, 0, 9, 5])).toEqual(["SEARCH e USING INDEX event_order (aggregate=? AND seq>? AND seq<?)"])
    expect((await plan(HISTORY, [1, "[]", 5]))[0]).toBe("SEARCH e USING INTEGER PRIMARY KEY (rowid>?)")
    expect((await plan(ALLOCATE, [1, "x", 1, 1]))[0]).toMatch(/SEARCH aggregate USING INDEX sqlite_autoindex_aggregate_1 \(id=\?\)/)
    expect(await plan("SELECT aggregate, seq FROM event WHERE id = ?", ["x"])).toEqual(["SEARCH event USING INDEX event_id (id=?)"])
    expect(await plan("SELECT id FROM aggregate WHERE owner = ?", ["x"])).toEqual(["SEARCH aggregate USING INDEX aggregate_owned (owner=?)"])
    expect(await plan("SELECT key FROM name WHERE text = ?", ["x"])).toEqual(["SEARCH name USING COVERING INDEX sqlite_autoindex_name_1 (text=?)"])
  })
})

describe("owning", () => {
  test("a claim is a new epoch, and what was said under an older one is refused", async () => {
    const { id, epoch, say } = await session()
    const { log } = opened
    expect(await log.claim(id, await log.runtime())).toEqual({ epoch: epoch + 1 })
    expect(await code(say(typed("a.b")))).toBe("eventlog.fenced")
    expect(await code(log.claim(id, "rt_somebodyelse"))).toBe("eventlog.owned")
    await expect(log.claim(id, "rt_somebodyelse")).rejects.toThrow(new RegExp(`process ${process.pid} on`))
    await log.release(id, epoch)
    expect(await code(log.claim(id, "rt_somebodyelse"))).toBe("eventlog.owned")
    await log.release(id, epoch + 1)
    expect(await log.claim(id, "rt_somebodyelse")).toEqual({ epoch: epoch + 2 })
    // That one is no process that lives.
    expect(await log.claim(id, await log.runtime())).toEqual({ epoch: epoch + 3 })
  })

  test("of many claims at once each gets an epoch of its own, and the last one is the owner", async () => {
    const { id } = await session()
    const { log } = opened
    const me = await log.runtime()
    const epochs = (await Promise.all(Array.from({ length: 5 }, () => log.claim(id, me)))).map(({ epoch }) => epoch)
    expect(epochs.sort()).toEqual([2, 3, 4, 5, 6])
  })

  test("a replica refuses to be written or claimed here (S27)", async () => {
    const { id, epoch } = await session()
    const { log, store } = opened
    await log.release(id, epoch)
    await store.write((tx) => tx.run("UPDATE aggregate SET replay_owner = 'peer' WHERE id = ?", [id]))
    expect(await Promise.all([
      log.append({ aggregate: id, actor: "x", events: [admitted(1)] }), log.append({ aggregate: id, create: "session", actor: "x", epoch, events: [typed("a.b")] }), log.claim(id, await log.runtime()),
    ].map(code))).toEqual(["eventlog.replica", "eventlog.replica", "eventlog.replica"])
    expect(await everything(log, id)).toHaveLength(1)
    // Both at once cannot even be written.
    expect(await code(store.write((tx) => tx.run("UPDATE aggregate SET owner = 'me' WHERE id = ?", [id])))).toBe("store.conflict")
  })
})

describe("read models", () => {
  test("a rebuild gives the stored rows, byte for byte (S2)", async () => {
    const [a, b] = [await session(), await session()]
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: -20, max: 20 })), { maxLength: 20 }), async (amounts) => {
      for (const [first, amount] of amounts) await (first ? a : b).say(amount < 0 ? drawn(-amount) : admitted(amount)).catch((error: { code: string }) => expect(error.code).toBe("store.conflict"))
      const stored = await rowsOf(opened.store)
      await opened.log.rebuild("accounts")
      expect(await rowsOf(opened.store)).toBe(stored)
    }), { numRuns: 10 })
    expect((await rowsOf(opened.store)).length).toBeGreaterThan(100)
    // Nothing happens again because of it (S4).
    await opened.kernel.settled()
    const told: string[] = []
    const remove = opened.kernel.on("*", (_, { event }) => void told.push(event))
    expect((await opened.log.rebuild("accounts")).events).toBeGreaterThan(2)
    await opened.kernel.settled()
    remove()
    expect(told).toEqual([])
    expect(await code(opened.log.rebuild("nothing"))).toBe("eventlog.unknown")
  })

  const counter = (step = ""): Projection => ({
    id: "counter", types: ["my.work"], tables: ["counted"],
    migrations: [{ id: 1, name: "counter", sql: "CREATE TABLE counted (aggregate TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT" }, ...(step ? [{ id: 2, name: "more", sql: step }] : [])],
    project: ({ aggregate }) => [{ sql: "INSERT INTO counted (aggregate, n) VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1", params: [aggregate] }],
  })
  const contribute = (projection: Projection) => definePlugin({ per: "process", setup: (graft) => void graft.add("projection", projection) })

  test("one that comes late, goes and comes back takes in everything", async () => {
    const { id, say } = await session()
    const { kernel, store } = opened
    const counted = async () => (await store.get<{ n: number }>("SELECT n FROM counted WHERE aggregate = ?", [id]))?.n
    for (let n = 0; n < 300; n++) void say(typed("my.work"))
    await say(typed("my.work"))
    await kernel.put("counter", contribute(counter()))
    // Its tables are there at once, and what happened before soon.
    expect([undefined, 301]).toContain(await counted())
    await expect.poll(counted).toBe(301)
    await kernel.drop("counter")
    await say(typed("my.work"), typed("my.work"))
    expect(await counted()).toBe(301)
    await kernel.put("counter", contribute(counter("ALTER TABLE counted ADD COLUMN more INTEGER")))
    await say(typed("my.work"))
    expect(await counted()).toBe(304)
    expect(await store.all("SELECT more FROM counted WHERE more IS NOT NULL")).toEqual([])
    await kernel.drop("counter")
  })

  test("one that another process has not got falls behind there, and catches up here", async () => {
    const { id, epoch, say } = await session()
    const second = await home.kernel()
    await say(admitted(1))
    await second.log.append({ aggregate: id, epoch, actor: "other", events: [admitted(2), drawn(1)] })
    expect(await opened.store.get("SELECT behind IS NULL AS current FROM projection WHERE id = 'accounts'")).toEqual({ current: 0 })
    await second.log.append({ aggregate: id, epoch, actor: "other", events: [admitted(3)] })
    await say(typed("my.own"))
    await say(drawn(1))
    expect(await opened.store.get("SELECT sum, n FROM account WHERE id = ?", [id])).toEqual({ sum: 4, n: 5 })
    const stored = await rowsOf(opened.store)
    await opened.log.rebuild("accounts")
    expect(await rowsOf(opened.store)).toBe(stored)
    await second.kernel.close()
  })

  test("a mistake in one stops what it wants to see, says where, and nothing else", async () => {
    const { say } = await session()
    const { kernel } = opened
    const table = [{ id: 1, name: "x", sql: "CREATE TABEL x" }]
    await kernel.put("broken", contribute({ ...counter(), id: "broken", migrations: table }))
    expect(await code(say(typed("a.b")))).toBe("done")
    expect(await code(say(typed("my.work")))).toBe("store.migration")
    await kernel.put("broken", contribute({ ...counter(), id: "broken", migrations: [], project: () => { throw new TypeError("oh") } }))
    await expect(say(typed("my.work"))).rejects.toMatchObject({ code: "eventlog.projection", message: expect.stringMatching(/"broken" cannot take in my\.work .*oh/) as string })
    expect(await code(say(typed("a.b")))).toBe("done")
    await kernel.put("broken", contribute({ ...counter(), id: "broken2", migrations: [], types: ["never.before"], project: () => { throw new TypeError("oh") } }))
    expect(await code(say(typed("my.work")))).toBe("done")
    await expect(say(typed("never.before"))).rejects.toMatchObject({ code: "eventlog.projection", message: expect.stringMatching(/"broken2" cannot take in never\.before/) as string })
    await kernel.put("broken", contribute({ ...counter(), id: "eventlog" }))
    expect(await code(say(typed("my.work")))).toBe("eventlog.invalid")
    await kernel.drop("broken")
    expect(await code(say(typed("my.work")))).toBe("done")
  })
})

describe("telling", () => {
  test("each event is told in its project after its commit, in order, with what was stored", async () => {
    const { kernel, graft, log } = opened
    const [here, there] = ["here", "there"].map((name) => { const path = join(home.directory, name); mkdirSync(join(path, ".git"), { recursive: true }); return realpathSync(path) }) as [string, string]
    const heard: unknown[] = []
    const [a, b] = [await session({ location: here }), await session({ location: there })]
    kernel.on("*", (payload, { event, location }) => { if (/^(my|eventlog)\./.test(event)) heard.push([event, location, payload]) })
    await kernel.put("near", definePlugin({ per: "location", setup: (near) => void near.on("*", (_, { event }) => { if (event.startsWith("my.")) heard.push(["near", near.location, event]) }) }), here)
    const seen = kernel.graft.store
    kernel.on("my.work" as never, async () => { heard.push(["rows", await seen.get("SELECT count(*) AS n FROM event WHERE aggregate = (SELECT key FROM aggregate WHERE id = ?)", [a.id])]) })
    await Promise.all([
      log.append({ aggregate: a.id, epoch: a.epoch, actor: "x", location: here, events: [typed("my.work", { n: 1, gone: undefined }), typed("my.rest", { n: 2 })] }),
      log.append({ aggregate: b.id, epoch: b.epoch, actor: "x", location: there, events: [typed("my.other")] }),
      log.append({ aggregate: "project_1", create: "project", actor: "x", events: [typed("my.project")] }),
    ])
    await kernel.settled()
    const created = expect.any(Number) as number
    const of = (location: string | undefined) => heard.filter((each) => Array.isArray(each) && each[1] === location && each[0] !== "near")
    expect(of(here)).toEqual([["my.work", here, { session: a.id, seq: 2, created, data: { n: 1 } }], ["my.rest", here, { session: a.id, seq: 3, created, data: { n: 2 } }], ["eventlog.appended", here, { aggregate: a.id, head: 3, types: ["my.work", "my.rest"] }]])
    expect(of(there)).toEqual([["my.other", there, { session: b.id, seq: 2, created, data: {} }], ["eventlog.appended", there, { aggregate: b.id, head: 2, types: ["my.other"] }]])
    expect(of(undefined)).toEqual([["my.project", undefined, { aggregate: "project_1", seq: 1, created, data: {} }], ["eventlog.appended", undefined, { aggregate: "project_1", head: 1, types: ["my.project"] }]])
    expect(heard.filter((each) => Array.isArray(each) && each[0] === "near")).toEqual([["near", here, "my.work"], ["near", here, "my.rest"], ["near", here, "my.project"]])
    expect(heard).toContainEqual(["rows", { n: 3 }])
    expect(graft.kernel.inspect().realms.filter(({ location }) => location === here || location === there).map(({ leases }) => leases)).toEqual([1, 1])
  })

  test("a command that is repeated, and an append that is refused, tell nothing", async () => {
    const { kernel, log } = opened
    const { id } = await session()
    let told = 0
    const remove = kernel.on("session.input.admitted" as never, () => void told++)
    const ask = () => log.append({ aggregate: id, actor: "user", events: [admitted(1)], command: { id: `${id}/c`, kind: "ask", hash: "h" } })
    await ask()
    await ask()
    await code(log.append({ aggregate: id, actor: "user", events: [admitted(1)], writes: [{ sql: "UPDATE aggregate SET seq = seq WHERE id = 'x'", expect: 1 }] }))
    await kernel.settled()
    expect(told).toBe(1)
    remove()
  })

  test("a listener's schema that refuses a payload harms neither the append nor the next event", async () => {
    const { kernel } = opened
    const { id, say } = await session()
    const told: string[] = []
    await kernel.put("strict", definePlugin({ per: "process", events: { "my.strict": { schema: { "~standard": { version: 1, vendor: "x", validate: () => ({ issues: [{ message: "no" }] }) } } } }, setup: (graft) => void graft.on("*", (_, { event }) => void told.push(event)) }))
    expect(await say(typed("my.strict"), typed("my.free"))).toMatchObject({ last: 3 })
    await kernel.settled()
    expect(told.filter((event) => event.startsWith("my."))).toEqual(["my.free"])
    expect((await everything(opened.log, id)).map(({ type }) => type)).toContain("my.strict")
    await kernel.drop("strict")
  })
})

test("a log of a newer version is left alone, with the reason", async () => {
  await using other = makeHome()
  const first = await other.kernel()
  await first.log.append({ aggregate: "s", create: "session", actor: "x", events: [] })
  await first.store.write((tx) => tx.run("INSERT INTO migration VALUES ('eventlog', 2, 'future', 'x', 2, 0)"))
  await first.kernel.close()
  const { log } = await other.kernel()
  const asked = [log.head("s"), log.read({ aggregate: "s" }), log.append({ aggregate: "s", actor: "x", events: [] }), log.claim("s", "x"), log.tail({ aggregate: "s" })[Symbol.asyncIterator]().next()]
  expect(await Promise.all(asked.map(code))).toEqual(asked.map(() => "store.newer"))
})

test("the projection of the specs is a projection like any other", () => {
  expect(ACCOUNTS.types).toEqual([admitted(1).type, drawn(1).type])
})

describe("a damaged session", () => {
  test("can be read up to the damage, and the error says where it is; the others go on, and read models too", async () => {
    await using own = makeHome()
    const { log, store } = await own.kernel({ extra: { accounts } })
    for (const aggregate of ["a", "b"]) for (let n = 1; n <= 6; n++) await log.append({ aggregate, create: "session", actor: "user", events: [admitted(n)] })
    await store.write((tx) => tx.run("UPDATE event SET data = '{\"amount\":' WHERE seq = 4 AND aggregate = (SELECT key FROM aggregate WHERE id = 'a')"))
    for (const limit of [1, 3, 4, 50]) {
      const read: number[] = []
      let error: { code?: string; seq?: number } = {}
      try {
        for (let after: string | number = 0; read.length < 6; ) {
          const page = await log.read({ aggregate: "a", after, limit })
          read.push(...page.events.map(({ seq }) => seq))
          after = page.next
        }
      } catch (thrown) { error = thrown as typeof error }
      expect([read, error.code, error.seq]).toEqual([[1, 2, 3], "eventlog.corrupt", 4])
    }
    expect(await code(log.tail({ aggregate: "a", after: 3 })[Symbol.asyncIterator]().next())).toBe("eventlog.corrupt")
    expect((await everything(log, "b"))).toHaveLength(6)
    expect(await log.rebuild("accounts")).toEqual({ events: 12, damaged: ["a"] })
    expect(JSON.parse(await rowsOf(store))[0]).toEqual([{ id: "a", sum: 6, n: 3 }, { id: "b", sum: 21, n: 6 }])
    expect((await log.append({ aggregate: "a", actor: "user", events: [admitted(1)] })).last).toBe(7)
    await store.write((tx) => tx.run("DELETE FROM event WHERE seq = 2 AND aggregate = (SELECT key FROM aggregate WHERE id = 'b')"))
    expect((await log.read({ aggregate: "b" })).events.map(({ seq }) => seq)).toEqual([1])
    await expect(log.read({ aggregate: "b", after: 1 })).rejects.toMatchObject({ code: "eventlog.corrupt", seq: 2 })
  })
})
