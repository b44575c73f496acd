/**
 * Killed at points of its work chosen by chance, and again in what comes after, a session ends well, and nothing is lost,
 * sent twice or done twice. `npm run test:crash` goes through all points; this is a share of them, another one each time.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { chance, crashes, some } from "../crash/matrix.ts"
import { run } from "../crash/run.ts"
import { SCENARIOS } from "../crash/scenarios.ts"
import { openWorld, type World } from "../crash/world.ts"

let world: World
let cache: string
beforeAll(async () => {
  cache = mkdtempSync(join(tmpdir(), "graft-crash-"))
  process.env.NODE_COMPILE_CACHE = join(cache, "node")
  world = await openWorld()
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  rmSync(cache, { recursive: true, force: true })
})

test("a share of the crashes, with a seed that the failure tells", async () => {
  const seed = Date.now() % 100_000
  const scenarios = some(SCENARIOS.map(({ name }) => name), 3, chance(seed))
  const said: string[] = []
  const { runs, violations } = await crashes(world, { scenarios, singles: 4, pairs: 2, seed, jobs: 2, cache, say: (line) => void said.push(line) })
  expect(runs).toBe(9)
  expect(violations, `seed ${seed}\n${said.join("\n")}`).toBe(0)
}, 180_000)

test("the harness sees what goes wrong: an effect that comes before its start is durable, a request before its mark", async () => {
  const wrong = await Promise.all([run(world, "answer", [], cache, (ledgers) => ledgers.ask([])), run(world, "answer", [], cache, (ledgers) => ledgers.effect("note", "call_x"))])
  expect(wrong.map(({ violations }) => violations.map((line) => line.slice(0, 3)))).toEqual([expect.arrayContaining(["S11"]), expect.arrayContaining(["S13"])])
}, 60_000)
