/** What a release wrote, every later one reads: each event as it is, the same rows of it, and a log that its own checker accepts (S2, S3, S4, S28). */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, test } from "vitest"
import { LogChecker } from "../../plugins/doctor/automata.ts"
import { idAt } from "../../plugins/eventlog/identity.ts"
import { everything } from "../fixtures/accounts.ts"
import { goldenFolder, replay, type GoldenEvent, type Rows } from "../fixtures/golden.ts"

const releases = readdirSync(dirname(goldenFolder("0")))
const read = (release: string, file: string) => readFileSync(join(goldenFolder(release), file), "utf8")
const linesOf = (release: string) => read(release, "log.jsonl").trim().split("\n").map((line) => JSON.parse(line) as GoldenEvent)

test("there is a golden log, and it holds what sessions go through", () => {
  expect(releases.length).toBeGreaterThan(0)
  const types = new Set(releases.flatMap(linesOf).map(({ type }) => type))
  const wanted = ["session.forked", "session.reverted", "session.restored", "session.moved", "session.compaction.ended", "activity.recovery.started", "activity.recovery.decided", "activity.parked", "activity.interrupted", "provider.attempt.unknown", "provider.attempt.retry.scheduled", "tool.asked", "tool.replied", "tool.restarted", "job.settled"]
  expect(wanted.filter((type) => !types.has(type))).toEqual([])
})

describe.each(releases)("the log of %s", (release) => {
  const events = linesOf(release)
  const tomorrow: GoldenEvent = { ...events.at(-1)!, seq: events.at(-1)!.seq + 1, id: null, type: "of.tomorrow", version: 7, data: '{"a":[1,{"b":null}],"ü":"\\u0000"}' }

  test("is read as it was written, event by event, and a type that nobody knows passes", async () => {
    await using replayed = await replay([...events, tomorrow])
    for (const [aggregate, own] of Map.groupBy([...events, tomorrow], (event) => event.aggregate)) {
      const there = await everything(replayed.graft.eventlog, aggregate)
      expect(there.map(({ seq, id, type, epoch, actor, created }) => ({ seq, id, type, epoch, actor, created }))).toEqual(own.map(({ seq, id, log, type, epoch, actor, created }) => ({ seq, id: id ?? idAt(log, seq), type, epoch, actor, created })))
      // An older version reads as today's; what is of today's is the very same text.
      for (const [i, { version, data }] of there.entries()) if (version === own[i]!.version) expect(JSON.stringify(data)).toBe(own[i]!.data)
    }
    expect(replayed.told.filter((event) => !event.startsWith("store.") && !event.startsWith("plugin."))).toEqual([])
  })

  test("gives the rows that it gave then, and a rebuild gives the same", async () => {
    await using replayed = await replay(events)
    const then = JSON.parse(read(release, "rows.json")) as Rows
    const now = await replayed.rows()
    // What came later has columns and tables of its own.
    const asThen = Object.fromEntries(Object.entries(then).map(([table, rows]) => [table, now[table]?.map((row) => Object.fromEntries(Object.keys(rows[0] ?? {}).map((column) => [column, row[column]]))) ?? []]))
    expect(asThen).toEqual(then)
    for (const { id } of replayed.graft.all("projection")) await replayed.graft.eventlog.rebuild(id)
    expect(await replayed.rows()).toEqual(now)
  })

  test("is accepted by the log checker", () => {
    for (const [aggregate, own] of Map.groupBy(events, (event) => event.aggregate)) {
      const checker = new LogChecker()
      for (const event of own) checker.accept({ ...event, data: JSON.parse(event.data) as unknown })
      expect(checker.end(), aggregate).toEqual([])
    }
  })
})
