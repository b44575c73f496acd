/**
 * Kills the process at every named point of every scenario, at random second points inside the recovery, and over and
 * over at one commit, and holds what is left against the laws; then many processes at once. `--scenario NAME`,
 * `--point A[,B]` repeats one run; `--singles N` (default: all), `--pairs N` and `--seed N` choose how many points and which.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { manyRuns, oldStarters } from "../test/crash/crowd.ts"
import { confinement } from "../test/crash/confine.ts"
import { crashes } from "../test/crash/matrix.ts"
import { allPatchCrashes } from "../test/crash/patch.ts"
import { SCENARIOS } from "../test/crash/scenarios.ts"
import { openWorld } from "../test/crash/world.ts"
import { run } from "../test/crash/run.ts"

const { values } = parseArgs({ options: { scenario: { type: "string", multiple: true }, point: { type: "string" }, singles: { type: "string" }, pairs: { type: "string", default: "200" }, seed: { type: "string", default: String(Date.now() % 100_000) }, jobs: { type: "string", default: "2" } } })
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const cache = mkdtempSync(join(tmpdir(), "graft-crash-cache-"))
process.env.NODE_COMPILE_CACHE = join(cache, "node")
const names = values.scenario ?? SCENARIOS.map(({ name }) => name)

let failed = 0
try {
  await using world = await openWorld()
  if (values.point !== undefined) {
    const { violations, milliseconds, reached } = await run(world, names[0]!, values.point === "" ? [] : values.point.split(","), cache)
    for (const [n, points] of reached.entries()) say(`process ${n + 1}: ${points.join(" ")}`)
    for (const violation of violations) say(`  ${violation}`)
    say(`${violations.length} violations, ${Math.round(milliseconds)} ms`)
    failed = violations.length
  } else {
    say(`seed ${values.seed}`)
    const started = performance.now()
    const result = await crashes(world, { scenarios: names, pairs: Number(values.pairs), always: true, ...(values.singles && { singles: Number(values.singles) }), seed: Number(values.seed), jobs: Number(values.jobs), cache, say })
    failed = result.violations
    if (values.scenario === undefined) failed += await crowd("50 runs at once on one home", () => manyRuns(50)) + await crowd("four that start on an old schema", () => oldStarters(world, cache)) + await crowd("files that change together", () => allPatchCrashes()) + await crowd("10,000 files in a race with links", async () => (await confinement(Number(values.seed), 10_000)).wrong)
    say(`${result.runs} runs, ${result.violations} violations, ${Math.round((performance.now() - started) / 1_000)} s`)
  }
} finally {
  rmSync(cache, { recursive: true, force: true })
}
process.exitCode = failed > 0 ? 1 : 0

async function crowd(what: string, run: () => Promise<string[]>): Promise<number> {
  const wrong = await run()
  say(`${what}: ${wrong.length} violations`)
  for (const each of wrong.slice(0, 10)) say(`  ${each}`)
  return wrong.length
}
