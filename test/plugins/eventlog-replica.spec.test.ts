/** A log can be carried elsewhere as it is, and be taken away whole; and nobody works on what somebody replicates. */
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import type { NewEvent, Projection, StoredEvent } from "../../plugins/eventlog/contract.ts"
import { ACCOUNTS, admitted, drawn, everything, rowsOf } from "../fixtures/accounts.ts"
import { soon } from "../fixtures/conversation.ts"
import { accounts, makeHome, type Home, type Opened } from "../fixtures/log.ts"

let home: Home
let elsewhere: Home
let here: Opened
let there: Opened
let serial = 0
beforeAll(async () => {
  ;[home, elsewhere] = [makeHome(), makeHome()]
  ;[here, there] = await Promise.all([home.kernel({ extra: { accounts } }), elsewhere.kernel({ extra: { accounts } })])
})
afterAll(() => Promise.all([home, elsewhere].map((each) => each[Symbol.asyncDispose]())))

const code = (work: Promise<unknown>): Promise<string> => work.then(() => "done", (error: { code?: string; message: string }) => error.code ?? error.message)
const logOf = (cursor: string): string => cursor.slice(0, cursor.lastIndexOf(":"))
/** All but the place in the database, which is each database's own. */
const facts = (events: readonly StoredEvent[]) => events.map((event) => ({ ...event, position: 0 }))

/** A session with some history, of two epochs, with names of events that were chosen and that were not. */
async function session(more: NewEvent[] = []): Promise<{ id: string; logId: string; events: StoredEvent[] }> {
  const { log } = here
  const id = `ses_${++serial}`
  await log.append({ aggregate: id, create: "session", actor: "user", events: [{ type: "session.created", data: {} }] })
  for (let n = 1; n <= 2; n++) {
    const { epoch } = await log.claim(id, await log.runtime())
    await log.append({ aggregate: id, epoch, actor: "runtime:x", events: [admitted(7), { ...drawn(n), id: `evt_${id}_${n}`, causation: "c", correlation: "k" }, ...more] })
    await log.release(id, epoch)
  }
  return { id, logId: logOf((await log.head(id))!.cursor), events: await everything(log, id) }
}

describe("a replica (S27)", () => {
  test("is the log as it was: names, epochs, times and cursors; and in any pages", async () => {
    const { id, logId, events } = await session()
    await there.log.claimReplay(id, "copier", { kind: "session", logId })
    for (const cut of [events.slice(0, 2), events.slice(0, 4), events.slice(3)]) await there.log.replicate(id, "copier", cut)
    expect(facts(await everything(there.log, id))).toEqual(facts(events))
    expect(await there.log.head(id)).toEqual(await here.log.head(id))
    const stored = await rowsOf(there.store)
    expect(JSON.parse(stored)[0]).toContainEqual({ id, sum: 11, n: 4 })
    await there.log.rebuild("accounts")
    expect(await rowsOf(there.store)).toBe(stored)
  })

  test("lets nobody but its keeper add to it, and nobody work on it, until it is released", async () => {
    const { id, logId, events } = await session()
    const { log } = there
    await log.claimReplay(id, "copier", { kind: "session", logId })
    await log.replicate(id, "copier", events)
    const refused = [() => log.append({ aggregate: id, actor: "user", events: [admitted(1)] }), () => log.append({ aggregate: id, epoch: 2, actor: "x", events: [drawn(1)] }), async () => log.claim(id, await log.runtime()), () => log.replicate(id, "another", events)]
    for (const work of refused) expect(await code(work())).toBe("eventlog.replica")
    expect(await code(log.claimReplay(id, "another"))).toBe("eventlog.owned")
    await log.releaseReplay(id, "another")
    expect(await code(log.claim(id, "x"))).toBe("eventlog.replica")
    await log.releaseReplay(id, "copier")
    expect(await log.claim(id, await log.runtime())).toEqual({ epoch: 3 })
    expect(await code(log.replicate(id, "copier", events))).toBe("eventlog.replica")
    expect((await log.append({ aggregate: id, epoch: 3, actor: "x", events: [drawn(1)] })).first).toBe(events.length + 1)
  })

  test("cannot be made of what somebody works on; of what a dead process held it can, and that one's epoch is over", async () => {
    const { id } = await session()
    const { log } = here
    const { epoch } = await log.claim(id, await log.runtime())
    expect(await code(log.claimReplay(id, "copier"))).toBe("eventlog.owned")
    await log.release(id, epoch)
    const dead = await log.claim(id, "rt_dead")
    await log.claimReplay(id, "copier")
    await log.releaseReplay(id, "copier")
    expect(await code(log.append({ aggregate: id, epoch: dead.epoch, actor: "x", events: [drawn(1)] }))).toBe("eventlog.fenced")
  })

  test("of a keeper that died is another's to keep", async () => {
    const { id } = await session()
    await here.log.claimReplay(id, "rt_dead")
    await here.log.claimReplay(id, await here.log.runtime())
    expect(await code(here.log.claimReplay(id, "copier"))).toBe("eventlog.owned")
    expect(await code(here.log.replicate(id, "rt_dead", []))).toBe("eventlog.replica")
  })

  test("refuses another history, a hole, and what contradicts itself; and then nothing was added", async () => {
    const { id, logId, events } = await session()
    const { log } = there
    await log.claimReplay(id, "copier", { kind: "session", logId })
    await log.replicate(id, "copier", events.slice(0, 3))
    const add = (...changed: object[]) => code(log.replicate(id, "copier", changed.map((change, i) => ({ ...events[3 + i]!, ...change }))))
    const [, second] = events
    const another = await session()
    expect(await code(log.replicate(id, "copier", [{ ...second!, data: { amount: 8 } }]))).toBe("eventlog.divergent")
    for (const change of [{ type: "other" }, { version: 2 }, { epoch: 2 }, { actor: "y" }, { created: 1 }, { id: "evt_other" }, { causation: "c" }, { correlation: "c" }]) expect(await code(log.replicate(id, "copier", [{ ...second!, ...change }])), JSON.stringify(change)).toBe("eventlog.divergent")
    expect(await add({}, { seq: 7 })).toBe("eventlog.gap")
    expect(await add({ id: events[2]!.id })).toBe("eventlog.divergent")
    expect(await add({ epoch: 0 })).toBe("eventlog.invalid")
    for (const wrong of [{ aggregate: another.id }, { seq: 4.5 }, { seq: 0 }, { created: "now" }, { actor: "" }, { type: "" }, { data: undefined }]) expect(await add(wrong), JSON.stringify(wrong)).toBe("eventlog.invalid")
    expect(await code(log.claimReplay(id, "copier", { kind: "session", logId: "other" }))).toBe("eventlog.divergent")
    expect(await code(log.claimReplay("new", "copier", { kind: "session", logId: "a:b" }))).toBe("eventlog.invalid")
    expect(await code(log.claimReplay("new", "copier"))).toBe("eventlog.unknown")
    expect((await log.head(id))?.seq).toBe(3)
    expect(await add({}, {})).toBe("done")
  })

  test("is followed, but nobody is told: nothing happened now (S4)", async () => {
    const { id, logId, events } = await session()
    const told: string[] = []
    const remove = there.kernel.on("*", (_, { event }) => void told.push(event))
    await there.log.claimReplay(id, "copier", { kind: "session", logId })
    await there.log.replicate(id, "copier", events.slice(0, 1))
    const heard: number[] = []
    const following = (async () => { for await (const { seq } of there.log.tail({ aggregate: id })) if (heard.push(seq) === events.length) break })()
    await there.log.replicate(id, "copier", events)
    await soon(following)
    await there.kernel.settled()
    remove()
    expect(heard).toEqual(events.map(({ seq }) => seq))
    expect(told.filter((event) => !event.startsWith("store."))).toEqual([])
  })

  test("made of new names takes its place as its name, and names that are taken stay whose they are", async () => {
    const { id, events } = await session()
    const fork = `${id}_fork`
    await here.log.claimReplay(fork, "me", { kind: "session", logId: `fork${id}` })
    const renamed = events.map((event) => ({ ...event, aggregate: fork, id: undefined }))
    await here.log.replicate(fork, "me", renamed)
    const ids = (await everything(here.log, fork)).map((event) => event.id)
    expect(new Set([...ids, ...events.map((event) => event.id)]).size).toBe(2 * events.length)
    await here.log.claimReplay(`${fork}2`, "me", { kind: "session", logId: `fork2${id}` })
    expect(await code(here.log.replicate(`${fork}2`, "me", events.map((event) => ({ ...event, aggregate: `${fork}2` }))))).toBe("eventlog.divergent")
  })

  test("cut anywhere, and given again from anywhere before: the same log (S1)", async () => {
    const { id, logId, events } = await session([admitted(1), { type: "my.note", data: { text: "x" } }])
    await fc.assert(fc.asyncProperty(fc.array(fc.record({ from: fc.nat(events.length), size: fc.integer({ min: 1, max: 4 }) }), { maxLength: 12 }), async (cuts) => {
      const copy = await elsewhere.kernel({ extra: { accounts } })
      await copy.log.claimReplay(id, "copier", { kind: "session", logId })
      let head = 0
      for (const { from, size } of [...cuts, { from: 0, size: events.length }]) {
        const at = Math.min(from, head)
        head = (await copy.log.replicate(id, "copier", events.slice(at, at + size))).head
        expect(head).toBeGreaterThanOrEqual(Math.min(at + size, events.length))
      }
      expect(facts(await everything(copy.log, id))).toEqual(facts(events))
      await copy.log.remove(id)
      await copy.kernel.close()
    }), { numRuns: 5 })
  })
})

describe("removing", () => {
  test("takes everything of one aggregate and nothing of others, and the rows are what a rebuild gives", async () => {
    const [a, b] = [await session(), await session()]
    const { log, store } = here
    await log.append({ aggregate: a.id, actor: "user", events: [admitted(1)], command: { id: `${a.id}c`, kind: "ask", hash: "h" } })
    await log.remove(a.id)
    for (const gone of [() => log.read({ aggregate: a.id }), () => log.remove(a.id), () => log.claim(a.id, "x"), () => log.append({ aggregate: a.id, actor: "user", events: [admitted(1)] })]) expect(await code(gone())).toBe("eventlog.unknown")
    expect(await log.head(a.id)).toBeUndefined()
    expect(await everything(log, b.id)).toEqual(b.events)
    expect(await store.get("SELECT count(*) AS n FROM command WHERE id = ?", [`${a.id}c`])).toEqual({ n: 0 })
    const rows = await rowsOf(store)
    expect(rows).not.toContain(`"${a.id}"`)
    await log.rebuild("accounts")
    expect(await rowsOf(store)).toBe(rows)
  })

  test("asks a read model what it knows, and has it rebuilt where it does not say", async () => {
    const counted: string[] = []
    const forgetting: Projection = {
      ...ACCOUNTS, id: "forgetting", tables: ["kept"], types: ["my.kept"], migrations: [{ id: 1, name: "kept", sql: "CREATE TABLE kept (id TEXT NOT NULL) STRICT" }],
      project: ({ aggregate }) => (counted.push(aggregate), [{ sql: "INSERT INTO kept VALUES (?)", params: [aggregate] }]),
      forget: (aggregate) => [{ sql: "DELETE FROM kept WHERE id = ?", params: [aggregate] }],
    }
    const remove = here.graft.add("projection", forgetting)
    const [a, b] = [await session([{ type: "my.kept", data: 1 }]), await session([{ type: "my.kept", data: 1 }])]
    counted.length = 0
    await here.log.remove(a.id)
    expect(counted).toEqual([])
    expect(await here.store.all("SELECT DISTINCT id FROM kept")).toEqual([{ id: b.id }])
    remove()
  })

  test("a read model that was away forgets when it is back", async () => {
    await using own = makeHome()
    const withIt = await own.kernel({ extra: { accounts } })
    for (const aggregate of ["a", "b"]) await withIt.log.append({ aggregate, create: "session", actor: "user", events: [admitted(1)] })
    await withIt.kernel.close()
    const without = await own.kernel()
    await without.log.remove("a")
    await without.kernel.close()
    const back = await own.kernel({ extra: { accounts } })
    await back.log.append({ aggregate: "b", actor: "user", events: [admitted(1)] })
    expect(JSON.parse(await rowsOf(back.store))[0]).toEqual([{ id: "b", sum: 2, n: 2 }])
  })

  test("is refused while another process works on it, and of its own is whole", async () => {
    const { id } = await session()
    const other = await home.process()
    await other.ask("claim", id)
    expect(await code(here.log.remove(id))).toBe("eventlog.owned")
    await other.kill()
    expect(await code(here.log.remove(id))).toBe("done")
    const mine = await session()
    const { epoch } = await here.log.claim(mine.id, await here.log.runtime())
    const late = here.log.append({ aggregate: mine.id, epoch, actor: "x", events: [drawn(1)] })
    const gone = here.log.remove(mine.id)
    expect([await code(late), await code(gone)]).toEqual(["done", "done"])
    expect(await code(here.log.append({ aggregate: mine.id, epoch, actor: "x", events: [drawn(1)] }))).toBe("eventlog.unknown")
  })

  test("ends the tails of who follows it, here and in other processes, and one of the same name is another log", async () => {
    const { id, events } = await session()
    const tail = here.log.tail({ aggregate: id, after: events.length })[Symbol.asyncIterator]()
    const waiting = code(tail.next())
    const beside = await home.kernel({ extra: { accounts } })
    const foreign = beside.log.tail({ aggregate: id, after: events.length })[Symbol.asyncIterator]()
    const far = code(foreign.next())
    await new Promise((resolve) => setTimeout(resolve, 60))
    await here.log.remove(id)
    expect(await soon(waiting)).toBe("eventlog.unknown")
    expect(await soon(far)).toBe("eventlog.unknown")
    await here.log.append({ aggregate: id, create: "session", actor: "user", events: [{ type: "session.created", data: {} }] })
    expect(await code(here.log.read({ aggregate: id, after: `${logOf((await there.log.head("ses_1"))?.cursor ?? "x:0")}:0` }))).toBe("eventlog.cursor")
  })
})
