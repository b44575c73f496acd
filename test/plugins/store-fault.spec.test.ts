/**
 * Whichever write of a session's life fails, is late, or succeeds and is reported as failed, and wherever the power goes:
 * what was acknowledged is there, nothing is sent or done twice, and the next process brings it to its end.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, truncateSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Sqlite from "better-sqlite3"
import { definePlugin, type Definition } from "graft"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { LogChecker } from "../../plugins/doctor/automata.ts"
import eventlog from "../../plugins/eventlog/index.ts"
import type { Store, Tx } from "../../plugins/store/contract.ts"
import { StoreError } from "../../plugins/store/errors.ts"
import { closeHome, makeHome, type Home } from "../../plugins/store/home.ts"
import { makeStore } from "../../plugins/store/service.ts"
import { call, conversation, finish, says, soon, text, type Conversation, type Script } from "../fixtures/conversation.ts"

let base: string
let serial = 0
beforeAll(() => { base = realpathSync(mkdtempSync(join(tmpdir(), "graft-fault-"))) })
afterAll(() => rmSync(base, { recursive: true, force: true }))

type Fault = "none" | "fail" | "late" | "reported as failed"
interface Outside { requests: number; effects: number }
interface Life extends Conversation { home: Home; writes(): number; outside: Outside }

/** Longer than a chunk, so that a part of the reply is written before its end. */
const SCRIPT: Script[] = [says(...text("word ".repeat(500)), call("c1", "note"), finish("tool-calls")), says(...text("all done"), finish())]

/** The n-th write has the fault; `written` is called when one is on the disk. */
async function live(directory: string, outside: Outside, { fault = "none", nth = 0, after, written }: { fault?: Fault; nth?: number; after?: Life; written?(): void } = {}): Promise<Life> {
  const home = makeHome(directory)
  let writes = 0
  const store: Definition = definePlugin({
    per: "process",
    setup(graft) {
      const { service, finish } = makeStore(graft, home)
      graft.defer(finish)
      graft.provide("store", { ...service, async write<T>(work: (tx: Tx) => T): Promise<T> {
        const failing = ++writes === nth
        const broken = new StoreError("store.io", "the disk failed")
        if (failing && fault === "fail") throw broken
        if (failing && fault === "late") for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
        const value = await service.write(work)
        written?.()
        if (failing && fault === "reported as failed") throw broken
        return value
      } } satisfies Store)
    },
  })
  // What the conversation says tells what was asked before: the second answer follows the note.
  const scripts = () => async function* (request: Parameters<Script>[0], signal: AbortSignal) {
    outside.requests++
    const noted = request.messages.some(({ role }) => role === "tool")
    yield* SCRIPT[noted ? 1 : 0]!(request, signal)
  }
  const made = await conversation(scripts, { note: async (_input, settling) => (await settling.started(), outside.effects++, "noted") }, { extra: { "fake-store": store, "fake-log": eventlog }, ...(after && { after }) })
  return Object.assign(made, { home, outside, writes: () => writes })
}

async function leave(life: Life): Promise<void> {
  await life.kernel.close()
  await closeHome(life.home)
}

/** As a person would: say it, say it again when that failed, ask for more when it stopped. What was acknowledged is given back. */
async function talk({ kernel: { graft }, directory }: Life, patience: number): Promise<{ created: boolean; admitted: boolean }> {
  const done = { created: false, admitted: false }
  try {
    if (!(await graft.session.get("s1"))) await graft.session.create({ directory, id: "s1" })
    done.created = true
    await graft.session.prompt({ session: "s1", id: "in1", text: "work" })
    done.admitted = true
    for (let n = 0; n < patience; n++) {
      const { state } = await soon(graft.session.wait("s1"), "the end of the session")
      if (state === "done") break
      await graft.session.run("s1")
    }
  } catch (error) {
    if (patience > 1) throw error
  }
  return done
}

/** After a restart without faults: it comes to its end, and every law holds. */
async function mend(directory: string, first: Life, acknowledged: { created: boolean; admitted: boolean }): Promise<void> {
  await using life = await live(directory, first.outside, { after: first })
  const { session, eventlog, store } = life.kernel.graft
  if (acknowledged.created) expect(await session.get("s1")).toBeDefined()
  if (acknowledged.admitted) expect((await eventlog.read({ aggregate: "s1", types: ["session.input.admitted"] })).events).toHaveLength(1)
  await talk(life, 6)
  const { events, head } = await eventlog.read({ aggregate: "s1", limit: 4_096 })
  expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, i) => i + 1))
  const checker = new LogChecker()
  for (const event of events) checker.accept(event)
  expect(checker.end()).toEqual([])
  expect(first.outside.requests).toBeLessThanOrEqual(events.filter(({ type }) => type === "provider.attempt.dispatched").length)
  expect(first.outside.effects).toBeLessThanOrEqual(events.filter(({ type }) => type === "tool.started").length)
  const rows = async () => JSON.stringify(await Promise.all(["session", "message", "activity", "provider_attempt", "tool_call", "session_input"].map((table) => store.all(`SELECT * FROM ${table} ORDER BY 1, 2`))))
  const before = await rows()
  await eventlog.rebuild("session")
  expect(await rows()).toBe(before)
  expect((await session.messages("s1")).at(-1)?.parts.at(-1)).toMatchObject({ kind: "text", text: "all done" })
  await leave(life)
}

async function faulted(fault: Fault, nth: number): Promise<{ writes: number }> {
  const directory = join(base, String(++serial))
  const first = await live(directory, { requests: 0, effects: 0 }, { fault, nth })
  try {
    const acknowledged = await talk(first, fault === "late" ? 6 : 1)
    await leave(first)
    await mend(directory, first, acknowledged)
    return { writes: first.writes() }
  } finally {
    await first[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true, force: true })
  }
}

describe("a write that", () => {
  let writes = 0
  beforeAll(async () => { writes = (await faulted("none", 0)).writes })
  test.each([["fail", 1], ["reported as failed", 1], ["late", 3]] as const)("%s, from the first to the last, in steps of %d", async (fault, step) => {
    expect(writes).toBeGreaterThan(8)
    for (let nth = 1; nth <= writes; nth += step) await faulted(fault, nth).catch((error: unknown) => { throw new Error(`write ${nth} of ${writes}`, { cause: error }) })
  }, 60_000)
})

describe("when the power goes", () => {
  test("the state of the last sync is there, whole, wherever it was; a commit that reached the disk in part is not", async () => {
    const directory = join(base, "power")
    const copies: { at: string; wal: number }[] = []
    const file = join(directory, "graft.db")
    const first = await live(directory, { requests: 0, effects: 0 }, { written: () => {
      const at = join(base, `power${copies.length}`)
      mkdirSync(at)
      for (const name of ["graft.db", "graft.db-wal"]) if (existsSync(join(directory, name))) copyFileSync(join(directory, name), join(at, name))
      copies.push({ at, wal: statSync(`${file}-wal`).size })
    } })
    try {
      await talk(first, 6)
      await leave(first)
      // Half of what a commit wrote: the state before it, and never anything between.
      const torn = copies.map(({ at, wal }, n) => {
        const [made, before] = [`${at}torn`, copies[n - 1]?.wal ?? 0]
        mkdirSync(made)
        for (const name of ["graft.db", "graft.db-wal"]) copyFileSync(join(at, name), join(made, name))
        if (wal > before) truncateSync(join(made, "graft.db-wal"), before + Math.floor((wal - before) / 2))
        return made
      })
      const [whole, halves] = [headsOf(copies.map(({ at }) => at)), headsOf(torn)]
      expect(whole.at(-1)).toBeGreaterThan(20)
      for (const [n, head] of halves.entries()) expect([whole[n - 1] ?? 0, whole[n]], `commit ${n}`).toContain(head)
      expect([...whole].sort((a, b) => a - b)).toEqual(whole)
    } finally {
      await first[Symbol.asyncDispose]()
    }
  }, 60_000)

  /** How far the log goes in each of these homes; the check of the database passes there. */
  function headsOf(directories: readonly string[]): number[] {
    return directories.map((directory) => {
      const database = new Sqlite(join(directory, "graft.db"))
      try {
        expect(database.pragma("integrity_check", { simple: true })).toBe("ok")
        const table = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'event'").get()
        if (!table) return 0
        expect(database.prepare("SELECT count(*) AS n FROM aggregate a WHERE seq <> (SELECT count(*) FROM event e WHERE e.aggregate = a.key)").get()).toEqual({ n: 0 })
        return (database.prepare("SELECT count(*) AS n FROM event").get() as { n: number }).n
      } finally {
        database.close()
      }
    })
  }
})
