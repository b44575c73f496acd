/** Several processes share one log, and any of them may be stopped or killed at any moment: what was acknowledged is there, and the rest is not. */
import { setTimeout as sleep } from "node:timers/promises"
import fc from "fast-check"
import { afterAll, beforeAll, expect, test } from "vitest"
import type { StoredEvent } from "../../plugins/eventlog/contract.ts"
import { admitted, everything, rowsOf } from "../fixtures/accounts.ts"
import { soon } from "../fixtures/conversation.ts"
import { accounts, makeHome, type Home, type LogProcess, type Opened } from "../fixtures/log.ts"

let home: Home
let here: Opened
let others: LogProcess[]
beforeAll(async () => {
  home = makeHome()
  ;[here, ...others] = await Promise.all([home.kernel({ extra: { accounts } }), home.process(), home.process(), home.process()]) as [Opened, LogProcess, LogProcess, LogProcess]
}, 60_000)
afterAll(() => home[Symbol.asyncDispose]())

const create = (aggregate: string) => here.log.append({ aggregate, create: "session", actor: "user", events: [{ type: "session.created", data: {} }] })
const work = (aggregate: string, epoch: number, amount = 1) => ({ aggregate, epoch, actor: "x", events: [admitted(amount)] })

/** Places are dense, and the read model is what a rebuild makes of them. */
async function sound(aggregates: readonly string[]): Promise<StoredEvent[][]> {
  const logs: StoredEvent[][] = []
  for (const aggregate of aggregates) {
    const events = await everything(here.log, aggregate)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1))
    expect((await here.log.head(aggregate))?.seq).toBe(events.length)
    logs.push(events)
  }
  const stored = await rowsOf(here.store)
  await here.log.rebuild("accounts")
  expect(await rowsOf(here.store)).toBe(stored)
  expect(await here.store.get("PRAGMA integrity_check")).toEqual({ integrity_check: "ok" })
  return logs
}

test("four that append to one aggregate at once give each event a place of its own (S1)", async () => {
  await Promise.all([...others.map((other) => other.ask("burst", "crowd", 60)), ...Array.from({ length: 60 }, (_, n) => here.log.append({ aggregate: "crowd", create: "session", actor: "here", events: [admitted(n)] }))])
  const [events] = await sound(["crowd"])
  expect(events).toHaveLength(240)
  expect(new Set(events!.map(({ position }) => position)).size).toBe(240)
  expect(new Set(events!.map(({ actor }) => actor))).toEqual(new Set(["burst", "here"]))
})

test("what another process appends reaches who follows here, without a look at the clock", async () => {
  await create("followed")
  const tail = here.log.tail({ aggregate: "followed", after: 1 })[Symbol.asyncIterator]()
  const first = tail.next()
  await sleep(60)
  const times: number[] = []
  for (let n = 0, next = first; n < 10; n++) {
    await others[0]!.log.append({ aggregate: "followed", actor: "there", events: [admitted(n)] })
    const acknowledged = performance.now()
    expect((await soon(next)).value).toMatchObject({ seq: n + 2, data: { amount: n } })
    times.push(performance.now() - acknowledged)
    next = tail.next()
  }
  await tail.return!()
  // The slow look comes every 2,000 ms: most would have waited for it.
  expect(times.sort((a, b) => a - b)[5]).toBeLessThan(500)
})

test("an owner that was only asleep is refused when it wakes (S20)", async () => {
  await create("asleep")
  // No process of that name lives, so the next one may take over while this one is stopped.
  const { epoch } = await others[1]!.log.claim("asleep", "somebody")
  await others[1]!.log.append(work("asleep", epoch))
  others[1]!.child.kill("SIGSTOP")
  const mine = await here.log.claim("asleep", await here.log.runtime())
  expect(mine.epoch).toBe(epoch + 1)
  const late = others[1]!.log.append(work("asleep", epoch))
  await here.log.append(work("asleep", mine.epoch))
  others[1]!.child.kill("SIGCONT")
  await expect(late).rejects.toMatchObject({ code: "eventlog.fenced" })
  await expect(others[1]!.log.append(work("asleep", epoch))).rejects.toMatchObject({ code: "eventlog.fenced" })
  const [events] = await sound(["asleep"])
  expect(events!.map((event) => event.epoch)).toEqual([0, 1, 2])
})

test("a claim is kept as long as its process lives, stopped or not, and is free the moment it is dead", async () => {
  await create("owned")
  const { epoch } = await others[2]!.ask<{ epoch: number }>("claim", "owned")
  const me = await here.log.runtime()
  const refused = expect.stringMatching(new RegExp(`process ${others[2]!.child.pid} on `)) as string
  await expect(here.log.claim("owned", me)).rejects.toMatchObject({ code: "eventlog.owned", message: refused })
  others[2]!.child.kill("SIGSTOP")
  await expect(here.log.claim("owned", me)).rejects.toMatchObject({ code: "eventlog.owned" })
  await others[2]!.kill()
  expect(await here.log.claim("owned", me)).toEqual({ epoch: epoch + 1 })
})

test("killed at any point: every batch is whole or not there, all that was acknowledged is there, and rows are what a rebuild gives", async () => {
  const delays = fc.sample(fc.integer({ min: 1, max: 150 }), 4)
  const victims = await Promise.all(delays.map(() => home.process()))
  const aggregates = victims.map((_, n) => [`killed${n}a`, `killed${n}b`])
  await Promise.all(victims.map(async (victim, n) => {
    await Promise.all(aggregates[n]!.map(create))
    const epochs = await Promise.all(aggregates[n]!.map((aggregate) => victim.ask<{ epoch: number }>("claim", aggregate)))
    const hammering = victim.ask("hammer", aggregates[n]!, epochs.map(({ epoch }) => epoch)).catch(() => {})
    await expect.poll(() => victim.said.length, { timeout: 10_000 }).toBeGreaterThan(2)
    await sleep(delays[n])
    await victim.kill()
    await hammering
  }))
  const logs = await sound(aggregates.flat())
  for (const [n, events] of logs.entries()) {
    const said = victims[Math.floor(n / 2)]!.said as { aggregate: string; last: number }[]
    const acknowledged = Math.max(0, ...said.filter(({ aggregate }) => aggregate === aggregates.flat()[n]).map(({ last }) => last))
    expect(events.length).toBeGreaterThanOrEqual(acknowledged)
    let [at, batch] = [1, 1]
    for (; at < events.length; batch++) at += batch % 3 === 0 ? 2 : 3
    expect(at, `${aggregates.flat()[n]} ends within a batch`).toBe(events.length)
    // Whoever comes next is let in at once, and goes on.
    const { epoch } = await here.log.claim(aggregates.flat()[n]!, await here.log.runtime())
    expect((await here.log.append(work(aggregates.flat()[n]!, epoch))).last).toBe(events.length + 1)
  }
})
