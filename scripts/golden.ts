/**
 * Writes the golden log of this release: every scenario of the crash harness, some with a crash, as the events that came
 * of them and the rows that the read models made of those. Written once a release, into a folder of its own; every later
 * build reads all of them (test/plugins/golden.spec.test.ts).
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "../test/crash/run.ts"
import { SCENARIOS } from "../test/crash/scenarios.ts"
import { openWorld } from "../test/crash/world.ts"
import { goldenFolder, replay, type GoldenEvent } from "../test/fixtures/golden.ts"

/** Points after which recovery has something to say. */
const CRASHES: readonly (readonly [string, readonly string[]])[] = [
  ...SCENARIOS.map(({ name }) => [name, []] as const),
  ["answer", ["send.before"]], ["answer", ["T7.after"]], ["tools", ["effect.after"]], ["several", ["effect.after#3"]], ["permission", ["T8.after"]], ["steer", ["T9.after", "T5.after"]], ["job", ["T13.started.after"]], ["compaction", ["T14.after"]],
]
const EVENTS = `SELECT g.id AS aggregate, g.kind, g.log, e.seq, e.id, t.text AS type, e.version, e.epoch, a.text AS actor, e.created, e.causation, e.correlation, e.data
  FROM event e JOIN aggregate g ON g.key = e.aggregate JOIN name t ON t.key = e.type JOIN name a ON a.key = e.actor ORDER BY e.position`

const release = process.argv[2]
if (release === undefined || !/^\d+\.\d+\.\d+$/.test(release)) throw new Error("say which release: node scripts/golden.ts 1.2.3")
const folder = goldenFolder(release)
const cache = mkdtempSync(join(tmpdir(), "graft-golden-"))
const lines: GoldenEvent[] = []
try {
  await using world = await openWorld()
  for (const [scenario, plan] of CRASHES) {
    const { violations } = await run(world, scenario, plan, cache, (ledgers) => lines.push(...ledgers.query<GoldenEvent>(EVENTS)))
    if (violations.length > 0) throw new Error(`${scenario} ${plan.join()}: ${violations.join("; ")}`)
  }
} finally {
  rmSync(cache, { recursive: true, force: true })
}
// Every run has its catalogue; one of them is enough.
const seen = new Set<string>()
const events = lines.filter(({ aggregate, seq }) => !seen.has(`${aggregate} ${seq}`) && seen.add(`${aggregate} ${seq}`)).map((event) => ({ ...event, data: anonymous(event.data) }))
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, "log.jsonl"), events.map((event) => `${JSON.stringify(event)}\n`).join(""))
await using replayed = await replay(events)
writeFileSync(join(folder, "rows.json"), `${JSON.stringify(await replayed.rows(), null, 1)}\n`)
process.stdout.write(`${folder}: ${events.length} events, ${new Set(events.map(({ type }) => type)).size} types\n`)

/** Where it was made, and on what machine, is nobody's concern. */
function anonymous(data: string): string {
  return data.replaceAll(/[^"\s]*graft-crash-\w+/g, "/home/you").replaceAll(/("boot":")[^"]*"/g, '$1boot"')
}
