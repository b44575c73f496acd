/** A database can be told whole from damaged, a log that could not have happened from one that could; and what goes was to go. */
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createKernel, definePlugin, type EmbeddedKernel, type Graft } from "graft"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { LogChecker } from "../../plugins/doctor/automata.ts"
import { overdue } from "../../plugins/doctor/prune.ts"

const sha256 = (text: string) => createHash("sha256").update(text).digest("base64url")
type Fact = readonly [type: string, data: object, epoch?: number]

/** One activity of two turns: a call, a retry, and the end. */
const WHOLE: Fact[] = [
  ["session.created", {}, 0],
  ["session.input.admitted", { input: "i1", delivery: "steer" }, 0],
  ["session.claimed", { epoch: 1 }],
  ["activity.opened", { activity: "a1", ordinal: 1, opener: "i1", allowance: 25 }],
  ["session.input.promoted", { input: "i1", activity: "a1" }],
  ["activity.turn.started", { activity: "a1", turn: 1 }],
  ["message.created", { message: "a1.1", role: "assistant" }],
  ["provider.attempt.prepared", { attempt: "a1.1.1", activity: "a1", turn: 1, n: 1, message: "a1.1", class: "billing-only" }],
  ["provider.attempt.dispatched", { attempt: "a1.1.1" }],
  ["provider.attempt.settled", { attempt: "a1.1.1", outcome: "failed" }],
  ["provider.attempt.retry.scheduled", { attempt: "a1.1.1", n: 2 }],
  ["provider.attempt.prepared", { attempt: "a1.1.2", activity: "a1", turn: 1, n: 2, message: "a1.1", class: "billing-only" }],
  ["provider.attempt.dispatched", { attempt: "a1.1.2" }],
  ["provider.attempt.output", { attempt: "a1.1.2" }],
  ["message.part.started", { message: "a1.1", part: "a1.1:0", kind: "text" }],
  ["message.part.appended", { message: "a1.1", part: "a1.1:0", text: "one " }],
  ["message.part.appended", { message: "a1.1", part: "a1.1:0", text: "two" }],
  ["tool.called", { message: "a1.1", call: "c1", recovery: "unknown" }],
  ["tool.started", { message: "a1.1", call: "c1" }],
  ["message.part.settled", { message: "a1.1", part: "a1.1:0", length: 7, sha256: sha256("one two") }],
  ["provider.attempt.settled", { attempt: "a1.1.2", outcome: "completed" }],
  ["message.settled", { message: "a1.1" }],
  ["tool.settled", { message: "a1.1", call: "c1", outcome: "ok" }],
  ["activity.turn.settled", { activity: "a1", turn: 1 }],
  ["activity.settled", { activity: "a1", outcome: "completed" }],
  ["session.input.admitted", { input: "q1", delivery: "queue" }],
  ["session.input.admitted", { input: "q2", delivery: "queue" }],
  ["session.claimed", { epoch: 2 }, 2],
  ["activity.opened", { activity: "a2", ordinal: 2, opener: "q1", allowance: 25 }, 2],
  ["session.input.promoted", { input: "q1", activity: "a2" }, 2],
]
function judge(facts: readonly Fact[]): string[] {
  const checker = new LogChecker()
  for (const [i, [type, data, epoch = 1]] of facts.entries()) checker.accept({ seq: i + 1, type, epoch, data })
  return checker.end().map(({ law, seq, what }) => `${law} ${seq} ${what}`)
}
const at = (type: string, nth = 1) => WHOLE.findIndex((fact) => fact[0] === type && --nth === 0)
const without = (...places: number[]) => WHOLE.filter((_, i) => !places.includes(i))
const changed = (place: number, data: object, epoch?: number) => WHOLE.map((fact, i): Fact => (i === place ? [fact[0], { ...fact[1], ...data }, epoch ?? fact[2]] : fact))
const inserted = (place: number, ...facts: Fact[]) => [...WHOLE.slice(0, place), ...facts, ...WHOLE.slice(place)]

describe("the log checker (S28)", () => {
  test("accepts what may have happened, at every moment of it", () => {
    for (let n = 0; n <= WHOLE.length; n++) expect(judge(WHOLE.slice(0, n)), `after ${n}`).toEqual([])
  })

  const wrong: [string, string, Fact[]][] = [
    ["an epoch that falls", "S20", changed(at("activity.settled"), {}, 0)],
    ["work without a claim", "S20", without(at("session.claimed"))],
    ["a claim of another epoch than its own", "S20", changed(at("session.claimed"), { epoch: 5 })],
    ["an input twice", "S9", inserted(3, ["session.input.admitted", { input: "i1", delivery: "steer" }])],
    ["an input promoted twice", "S10", inserted(at("activity.turn.started"), ["session.input.promoted", { input: "i1", activity: "a1" }])],
    ["an input that nobody gave", "S10", changed(at("session.input.promoted"), { input: "i9" })],
    ["an opener that did not come first", "S10", changed(at("activity.opened"), { opener: "i9" })],
    ["the queue out of order", "S10", [...WHOLE.slice(0, -2), ["activity.opened", { activity: "a2", ordinal: 2, opener: "q2", allowance: 25 }, 2], ["session.input.promoted", { input: "q2", activity: "a2" }, 2]]],
    ["two of the queue at once", "S10", [...WHOLE, ["session.input.promoted", { input: "q2", activity: "a2" }, 2]]],
    ["an input in the middle of a turn", "S10", inserted(at("provider.attempt.output"), ["session.input.admitted", { input: "i2", delivery: "steer" }], ["session.input.promoted", { input: "i2", activity: "a1" }])],
    ["two activities at once", "S10", without(at("activity.settled"))],
    ["an activity that ends in mid-turn", "§3.2", without(at("activity.turn.settled"))],
    ["a turn that nobody paid for", "S18", changed(at("activity.opened"), { allowance: 0 })],
    ["a turn with an attempt still going", "§3.2", without(at("provider.attempt.settled", 2))],
    ["bytes without a mark", "§3.3", without(at("provider.attempt.dispatched", 2))],
    ["a try out of count", "S11", changed(at("provider.attempt.prepared", 2), { n: 3 })],
    ["two tries at once", "S10", without(at("provider.attempt.settled"), at("provider.attempt.retry.scheduled"))],
    ["an answered turn asked again", "S11", inserted(at("activity.turn.settled"), ["provider.attempt.prepared", { attempt: "a1.1.3", activity: "a1", turn: 1, n: 3, message: "a1.1", class: "billing-only" }])],
    ["what was sent called unsent", "S12", changed(at("provider.attempt.settled"), { outcome: "not-sent" })],
    ["an effect without its start", "§3.4", [...without(at("tool.started")), ["tool.started", { message: "a1.1", call: "c1" }]]],
    ["a call run twice that may not be", "S13", inserted(at("tool.started") + 1, ["tool.restarted", { message: "a1.1", call: "c1" }])],
    ["a call without an answer", "S14", without(at("tool.settled"))],
    ["a call made twice", "S14", inserted(at("tool.started"), ["tool.called", { message: "a1.1", call: "c1", recovery: "unknown" }])],
    ["a part that is not its chunks", "S15", without(at("message.part.appended", 2))],
    ["a word after the end", "S15", inserted(at("message.settled") + 1, ["message.part.appended", { message: "a1.1", part: "a1.1:0", text: "x" }])],
    ["a revert of what is at work", "§3.2", inserted(at("activity.turn.settled"), ["session.reverted", { message: "i1" }])],
    ["a job that ended unheard", "S23", [...WHOLE, ["job.opened", { job: "j1", input: "n1", delivery: "steer" }, 2], ["job.started", { job: "j1" }, 2], ["job.settled", { job: "j1", outcome: "succeeded" }, 2]]],
    ["a job that ended twice", "§3.5", [...WHOLE, ["job.opened", { job: "j1", input: "n1", delivery: "inform" }, 2], ["job.settled", { job: "j1", outcome: "cancelled" }, 2], ["job.settled", { job: "j1", outcome: "lost" }, 2]]],
    ["a job that never ran and succeeded", "S23", [...WHOLE, ["job.opened", { job: "j1", input: "n1", delivery: "inform" }, 2], ["job.settled", { job: "j1", outcome: "succeeded" }, 2]]],
    ["a fold of what is not said yet", "S25", [...WHOLE, ["session.compaction.started", { compaction: "k1" }, 2], ["session.compaction.ended", { compaction: "k1", through: 900 }, 2]]],
    ["two folds at once", "S25", [...WHOLE, ["session.compaction.started", { compaction: "k1" }, 2], ["session.compaction.started", { compaction: "k2" }, 2]]],
  ]
  test.each(wrong)("refuses %s", (_, law, facts) => {
    expect(judge(facts).map((line) => line.split(" ")[0])).toContain(law)
  })

  test("refuses a place that is missing (S1), and says no more than fifty things", () => {
    const checker = new LogChecker()
    checker.accept({ seq: 2, type: "x", epoch: 0, data: {} })
    expect(checker.violations).toMatchObject([{ law: "S1", seq: 2 }])
    for (let n = 0; n < 200; n++) checker.accept({ seq: 9, type: "x", epoch: 0, data: {} })
    expect(checker.violations).toHaveLength(50)
  })

  test("leaves a fork its history, and a type that it does not know", () => {
    const history: Fact[] = [["session.created", {}, 0], ["session.forked", { from: "s", message: "a1.1", seq: 9 }, 0], ["message.created", { message: "a1.1", role: "assistant" }, 1], ["tool.called", { message: "a1.1", call: "c1", recovery: "unknown" }, 1], ["tool.started", { message: "a1.1", call: "c1" }, 1], ["tool.settled", { message: "a1.1", call: "c1" }, 1], ["message.settled", { message: "a1.1" }, 1], ["my.own", {}, 1]]
    expect(judge(history)).toEqual([])
    expect(judge([...history, ["activity.opened", { activity: "a1", ordinal: 1, allowance: 1 }, 1], ["session.claimed", { epoch: 2 }, 2], ["activity.turn.started", { activity: "a9", turn: 1 }, 2]])).toHaveLength(1)
  })
})

describe("retention", () => {
  const day = 86_400_000
  const row = (id: string, age: number, more: object = {}) => ({ id, title: "", updated: 1_000 * day - age * day, archived: null, settled: 1, ...more })
  const rows = [row("a", 0), row("b", 5), row("c", 20, { archived: 1 }), row("d", 40, { settled: 0 }), row("e", 50)]
  const gone = (retention: object) => overdue(rows, retention, 1_000 * day).map(({ id }) => id)
  test("takes by age, by number, and only what is archived where it says so; oldest first, and never what is at work", () => {
    expect([gone({}), gone({ days: 10 }), gone({ sessions: 1 }), gone({ days: 10, archivedOnly: true }), gone({ archivedOnly: true }), gone({ days: 30, sessions: 4 })]).toEqual([[], ["e", "c"], ["e", "c", "b"], ["c"], [], ["e"]])
  })
})

describe("the database", () => {
  let home: string
  let project: string
  let kernel: EmbeddedKernel
  let graft: Graft
  let retention: object | undefined
  beforeAll(async () => {
    home = realpathSync(mkdtempSync(join(tmpdir(), "graft-doctor-")))
    project = join(home, "project")
    mkdirSync(project)
    kernel = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], only: ["store", "eventlog", "session", "doctor", "stand-in"], dataDir: home })
    await kernel.put("stand-in", definePlugin({ per: "process", setup: (graft) => graft.provide("config", { get: async () => retention } as never) }))
    await kernel.start()
    await kernel.settled()
    graft = kernel.graft
  })
  afterAll(async () => {
    await kernel.close()
    rmSync(home, { recursive: true, force: true })
  })

  const blobFile = (sha256: string) => join(home, "data/blobs", sha256.slice(0, 2), sha256)
  const long = (n: number) => `${n} `.repeat(5_000)
  async function session(blob?: string): Promise<string> {
    const { id } = await graft.session.create({ directory: project, title: "one" })
    await graft.session.prompt({ session: id, text: "words", resume: false })
    if (blob !== undefined) await graft.eventlog.append({ aggregate: id, actor: "user", events: [{ type: "session.updated", data: { title: "two", blob } }] })
    return id
  }

  test("that is whole has no problem, and is measured", async () => {
    const { sha256: kept } = await graft.store.putBlob(long(1))
    await session(kept)
    expect(await graft.doctor.check()).toMatchObject({ aggregates: 1, events: 3, blobs: 1, problems: [], more: 0 })
    const stats = await graft.doctor.stats()
    expect(stats).toMatchObject({ aggregates: 1, text: 5, blobs: { count: 1, bytes: 10_000 } })
    expect(stats.events).toContainEqual({ type: "session.input.admitted", count: 1, bytes: expect.any(Number) as number })
    expect(stats.tables.find(({ name }) => name === "event")).toMatchObject({ rows: 3 })
    expect(stats.tables.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(stats.bytes)
  })

  test("shows each kind of damage, and where it is; nothing is changed by looking", async () => {
    const id = await session()
    const other = await session()
    const { sha256 } = await graft.store.putBlob("what it was")
    await graft.eventlog.append({ aggregate: id, actor: "user", events: [{ type: "session.updated", data: { title: "x", blob: "f".repeat(64) } }, { type: "session.input.admitted", data: { input: "i", delivery: "steer", resume: false, text: "x", hash: "h" } }] })
    await graft.eventlog.append({ aggregate: id, actor: "user", events: [{ type: "session.updated", data: {} }] })
    await graft.store.write((tx) => {
      const key = (of: string) => tx.get<{ key: number }>("SELECT key FROM aggregate WHERE id = ?", [of])!.key
      tx.run("UPDATE event SET data = '{\"tit' WHERE aggregate = ? AND seq = 5", [key(id)])
      tx.run("UPDATE aggregate SET seq = 9 WHERE key = ?", [key(other)])
      tx.run("INSERT INTO message (session, seq, id, role, first) VALUES ('nobody', 1, 'm', 'user', 1)")
    })
    writeFileSync(blobFile(sha256), "what it is!")
    const { problems } = await graft.doctor.check()
    expect(problems.map(({ law, where }) => [law, where])).toEqual(expect.arrayContaining([["unreadable", `${id} 5`], ["S1", other], ["orphan", "message"], ["blob", sha256], ["blob", "f".repeat(64)]]))
    expect(problems).toHaveLength(5)
    expect((await graft.doctor.check()).problems).toEqual(problems)
    rmSync(blobFile(sha256))
    await graft.store.write((tx) => tx.run("DELETE FROM message WHERE session = 'nobody'"))
    for (const each of [id, other]) await graft.eventlog.remove(each)
  })

  test("is copied while it is used, and a copy overwrites nothing", async () => {
    const file = join(home, "copy.db")
    const id = await session()
    const [{ bytes }] = await Promise.all([graft.doctor.backup(file), session()])
    expect(statSync(file)).toMatchObject({ size: bytes })
    if (process.platform !== "win32") expect(statSync(file).mode & 0o077).toBe(0)
    await expect(graft.doctor.backup(file)).rejects.toMatchObject({ code: "store.exists" })
    await expect(graft.doctor.backup(join(home, "nowhere/copy.db"))).rejects.toMatchObject({ code: "store.readonly" })
    const other = createKernel({ roots: [{ dir: join(import.meta.dirname, "../../plugins"), kind: "built-in" }], only: ["store", "eventlog"], dataDir: join(home, "other") })
    mkdirSync(join(home, "other/data"), { recursive: true })
    writeFileSync(join(home, "other/data/graft.db"), (await import("node:fs")).readFileSync(file))
    await other.start()
    await other.settled()
    expect((await other.graft.eventlog.read({ aggregate: id })).events).toHaveLength(2)
    await other.close()
  })

  test("is pruned online: what the settings let go, blobs that nobody names, and the room", async () => {
    const [kept, loose, fresh] = await Promise.all([2, 3, 4].map(async (n) => (await graft.store.putBlob(long(n))).sha256)) as [string, string, string]
    const dropped = (await graft.store.putBlob(long(5))).sha256
    const [stays, goes] = [await session(kept), await session(dropped)]
    await graft.eventlog.append({ aggregate: goes, actor: "user", events: Array.from({ length: 300 }, () => ({ type: "session.updated", data: { title: "x".repeat(4_000) } })) })
    await graft.store.write((tx) => tx.run("UPDATE session SET updated = 1 WHERE id = ?", [goes]))
    const old = new Date(Date.now() - 2 * 86_400_000)
    for (const blob of [kept, loose, dropped]) utimesSync(blobFile(blob), old, old)
    retention = { days: 30 }
    const wanted = { sessions: [{ id: goes, title: "x".repeat(4_000), updated: 1 }], blobs: { count: 2, bytes: 20_000 }, kept: [] }
    expect(await graft.doctor.prune({ dryRun: true })).toEqual({ ...wanted, dryRun: true })
    expect(await graft.eventlog.head(goes)).toBeDefined()
    const { freed, ...pruned } = await graft.doctor.prune()
    expect(pruned).toEqual({ ...wanted, dryRun: false })
    expect(freed).toBeGreaterThan(1_000_000)
    expect([kept, loose, fresh, dropped].map((blob) => existsSync(blobFile(blob)))).toEqual([true, false, true, false])
    expect(await graft.eventlog.head(goes)).toBeUndefined()
    expect(await graft.eventlog.head(stays)).toBeDefined()
    expect((await graft.doctor.check()).problems).toEqual([])
    expect(await graft.doctor.prune()).toMatchObject({ sessions: [], blobs: { count: 0 } })
  })

  test("a blob that is put again is new again: what is about to be named is not taken", async () => {
    const { sha256 } = await graft.store.putBlob("again")
    const old = new Date(Date.now() - 2 * 86_400_000)
    utimesSync(blobFile(sha256), old, old)
    await graft.store.putBlob("again")
    await graft.doctor.prune()
    expect(existsSync(blobFile(sha256))).toBe(true)
    expect(readdirSync(join(home, "data/blobs", sha256.slice(0, 2)))).toContain(sha256)
  })
})
