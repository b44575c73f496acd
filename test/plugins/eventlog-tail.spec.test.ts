/** Who follows an aggregate hears each event once and in order, whoever appends it and whatever is edited meanwhile; who has left costs nothing. */
import { createRequire } from "node:module"
import type Database from "better-sqlite3"
import fc from "fast-check"
import { expect, test } from "vitest"
import { openBells } from "../../plugins/eventlog/bells.ts"
import type { EventLog, StoredEvent } from "../../plugins/eventlog/contract.ts"
import { admitted, everything } from "../fixtures/accounts.ts"
import { soon } from "../fixtures/conversation.ts"
import { makeHome, type Opened } from "../fixtures/log.ts"
import { FakeClock, turns } from "../kernel/harness.ts"

const Sqlite = createRequire(import.meta.url)("better-sqlite3") as typeof Database
const create = (log: EventLog, aggregate: string) => log.append({ aggregate, create: "session", actor: "user", events: [{ type: "session.created", data: {} }] })
const ask = (log: EventLog, aggregate: string, n: number) => log.append({ aggregate, actor: "user", events: [admitted(n)] })
const view = ({ kernel }: Opened, id: string) => kernel.inspect().realms[0]!.plugins.find((plugin) => plugin.id === id)!
const live = (opened: Opened) => view(opened, "eventlog").generations.find(({ state }) => state === "live")!
const timers = (opened: Opened) => live(opened).timers

/** Follows from a cursor, over reloads, until so many were heard or it is told to stop. */
async function follow(log: EventLog, aggregate: string, after: string | number, heard: StoredEvent[], until: number | (() => number)): Promise<number> {
  const enough = () => heard.length >= (typeof until === "number" ? until : until())
  let moved = 0
  for (let cursor = after; !enough(); ) {
    try {
      for await (const event of log.tail({ aggregate, after: cursor })) {
        heard.push(event)
        cursor = event.seq
        if (enough()) break
      }
    } catch (error) {
      if ((error as { code?: string }).code !== "Moved") throw error
      moved++
    }
  }
  return moved
}

test("history comes first, then what is appended", async () => {
  await using home = makeHome()
  const { log } = await home.kernel()
  await create(log, "s")
  await ask(log, "s", 1)
  const heard: StoredEvent[] = []
  const following = follow(log, "s", 0, heard, 600)
  for (let n = 2; n < 600; n++) void ask(log, "s", n)
  await soon(following)
  expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: 600 }, (_, n) => n + 1))
  expect(heard).toEqual(await everything(log, "s"))
  await expect(log.tail({ aggregate: "nobody" })[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "eventlog.unknown" })
})

test("wherever commits fall around the beginning of a tail, also those of others: no gap, nothing twice (S6)", async () => {
  await using home = makeHome()
  const [first, second] = [await home.kernel(), await home.kernel()]
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("own" as const, "foreign" as const), pause: fc.nat(3) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("tail" as const), pause: fc.nat(6) }) },
  )
  let serial = 0
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
    const id = `s${++serial}`
    await create(first.log, id)
    const appends = steps.filter(({ kind }) => kind !== "tail").length
    const tails: { heard: StoredEvent[]; after: number; done: Promise<unknown> }[] = []
    const written: Promise<unknown>[] = []
    for (const { kind, pause } of steps) {
      if (kind === "tail") {
        const after = Math.min(pause, 1)
        const heard: StoredEvent[] = []
        tails.push({ heard, after, done: follow(first.log, id, after, heard, appends + 1 - after) })
      } else written.push(ask(kind === "own" ? first.log : second.log, id, 1))
      for (let n = 0; n < pause; n++) await (n % 2 ? undefined : new Promise((resolve) => setImmediate(resolve)))
    }
    await Promise.all(written)
    await soon(Promise.all(tails.map(({ done }) => done)), "the end of every tail")
    for (const { heard, after } of tails) expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: appends + 1 - after }, (_, n) => n + 1 + after))
  }), { numRuns: 20 })
  // The last one that leaves takes the watch with it.
  await expect.poll(() => timers(first)).toBe(0)
})

test("a tail that waits can be left at once, and then nothing wakes for it any more", async () => {
  await using home = makeHome()
  const [first, second] = [await home.kernel(), await home.kernel()]
  await create(first.log, "s")
  expect(timers(first)).toBe(0)
  const tail = first.log.tail({ aggregate: "s" })[Symbol.asyncIterator]()
  expect((await tail.next()).value).toMatchObject({ seq: 1 })
  const waiting = tail.next()
  await expect.poll(() => timers(first)).toBeGreaterThan(0)
  expect(await soon(tail.return!())).toMatchObject({ done: true })
  expect(await soon(waiting)).toEqual({ done: true, value: undefined })
  await expect.poll(() => [timers(first), live(first).leases]).toEqual([0, 0])
  const { calls } = view(first, "store")
  await ask(second.log, "s", 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(view(first, "store").calls).toBe(calls)
})

test("without a watch on the file the slow look notices, two seconds later at most (S7)", async () => {
  await using home = makeHome()
  const clock = new FakeClock()
  const [first, second] = [await home.kernel({ clock }), await home.kernel()]
  await create(first.log, "s")
  const heard: StoredEvent[] = []
  const following = follow(first.log, "s", 1, heard, 1)
  await expect.poll(() => timers(first)).toBe(1)
  // Each look is one question, and rings only when there is something new.
  const { calls } = view(first, "store")
  await clock.advance(10_000)
  expect(view(first, "store").calls - calls).toBe(5)
  await ask(second.log, "s", 1)
  await turns(20)
  expect(heard).toEqual([])
  await clock.advance(2_000)
  await soon(following)
  expect(heard).toHaveLength(1)
})

test("a bell rings at most once for each commit, only for who follows, and is gone with the last of them (S6)", async () => {
  const bells = await openBells()
  const never = new AbortController().signal
  bells.ring("a")
  const [one, two] = [await bells.join("a"), await bells.join("a")]
  for (let n = 0; n < 5; n++) bells.ring("a")
  bells.ring("b")
  expect(await Promise.all([one.rung(never), two.rung(never)])).toEqual([true, true])
  const stop = new AbortController()
  const waiting = one.rung(stop.signal)
  await turns(3)
  stop.abort()
  expect([await waiting, await one.rung(stop.signal)]).toEqual([false, false])
  const other = await bells.join("b")
  expect(bells.followed().sort()).toEqual(["a", "b"])
  const both = Promise.all([two.rung(never), other.rung(never)])
  bells.ringAll()
  expect(await both).toEqual([true, true])
  await one.leave()
  expect(bells.followed().sort()).toEqual(["a", "b"])
  await Promise.all([two.leave(), other.leave()])
  expect(bells.followed()).toEqual([])
  const last = (await bells.join("a")).rung(never)
  await bells.close()
  expect(await last).toBe(false)
})

test("one that is not read delays no other", async () => {
  await using home = makeHome()
  const { log } = await home.kernel()
  await create(log, "s")
  const stalled = log.tail({ aggregate: "s" })[Symbol.asyncIterator]()
  await stalled.next()
  const heard: StoredEvent[] = []
  const following = follow(log, "s", 0, heard, 101)
  for (let n = 0; n < 100; n++) await ask(log, "s", n)
  await soon(following)
  expect((await stalled.next()).value).toMatchObject({ seq: 2 })
  await stalled.return!()
})

test("editing the log in mid-append and mid-tail loses nothing: tails move on, and what the old one still writes is heard on the new one", async () => {
  await using home = makeHome({ copy: true })
  const opened = await home.kernel()
  const { log, kernel, store } = opened
  await create(log, "s")
  const me = await log.runtime()
  const { epoch } = await log.claim("s", me)
  const heard: StoredEvent[] = []
  let total = Infinity
  const following = follow(log, "s", 0, heard, () => total)
  const written: Promise<unknown>[] = []
  for (let n = 0; n < 4; n++) {
    for (let k = 0; k < 30; k++) written.push(ask(log, "s", k))
    const reloaded = kernel.reconcile([home.edit("eventlog/teller.ts", (source) => `${source}// ${n}\n`)])
    while (view(opened, "eventlog").gen < n + 2) {
      written.push(ask(log, "s", n))
      await turns(1)
    }
    await reloaded
  }
  total = written.length + 2
  await Promise.all([...written, ask(log, "s", 0)])
  expect(await soon(following)).toBeGreaterThanOrEqual(1)
  expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, n) => n + 1))
  // The same process, with the same claim.
  expect(await log.runtime()).toBe(me)
  await log.append({ aggregate: "s", epoch, actor: "me", events: [{ type: "my.work", data: 1 }] })
  expect(await store.isHeld(me)).toBe(true)
})

test("editing the store in mid-append and mid-tail is not even noticed", async () => {
  await using home = makeHome({ copy: true })
  const opened = await home.kernel()
  const { log, kernel } = opened
  await create(log, "s")
  const heard: StoredEvent[] = []
  const following = follow(log, "s", 0, heard, 101)
  const written = Array.from({ length: 50 }, (_, n) => ask(log, "s", n))
  await kernel.reconcile([home.edit("store/statements.ts", (source) => `${source}// edited\n`)])
  written.push(...Array.from({ length: 50 }, (_, n) => ask(log, "s", n)))
  await Promise.all(written)
  expect(await soon(following)).toBe(0)
  expect(heard).toHaveLength(101)
  expect([view(opened, "store").gen, view(opened, "eventlog").gen]).toEqual([2, expect.any(Number)])
})

test("what an old generation commits after the new one has tails is heard at once", async () => {
  await using home = makeHome({ copy: true })
  const opened = await home.kernel()
  const { log, kernel } = opened
  await create(log, "s")
  const other = new Sqlite(home.file)
  other.exec("BEGIN IMMEDIATE")
  const late = ask(log, "s", 1)
  await turns(5)
  await kernel.reconcile([home.edit("eventlog/teller.ts", (source) => `${source}// edited\n`)])
  const heard: StoredEvent[] = []
  const following = follow(log, "s", 1, heard, 1)
  await expect.poll(() => timers(opened)).toBe(1)
  expect(view(opened, "eventlog").generations.map(({ state, leases }) => [state, leases])).toContainEqual(["retiring", 1])
  // Nothing was written by it: no other connection has anything to notice.
  other.exec("ROLLBACK")
  other.close()
  await late
  await soon(following)
})
