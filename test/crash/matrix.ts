/** Which runs there are: each scenario without a crash, with one at every point that it came to, and with a second one at points of the recovery. */
import { run, type Run } from "./run.ts"
import type { World } from "./world.ts"

/** Processes in a row that die, and the commit after which they do. */
const CHAIN = 5
const COMMITS = [2, 3, 4, 6]

export interface Wanted { scenarios: readonly string[]; /** Runs with two crashes, in all. */ pairs: number; /** At most so many with one, chosen by chance; default: every one. */ singles?: number; /** And each scenario in processes that all die, at the same commit of theirs. */ always?: boolean; seed: number; jobs: number; cache: string; say(line: string): void }
export interface Outcome { runs: number; violations: number; failures: Run[] }

/** mulberry32: the same seed gives the same runs. */
export function chance(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** So many of them, each at most once. */
export function some<T>(items: readonly T[], most: number, random: () => number): T[] {
  const left = [...items]
  for (let i = left.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[left[i], left[j]] = [left[j]!, left[i]!]
  }
  return left.slice(0, most)
}

export async function crashes(world: World, { scenarios, pairs, singles = Infinity, always = false, seed, jobs, cache, say }: Wanted): Promise<Outcome> {
  const random = chance(seed)
  const outcome: Outcome = { runs: 0, violations: 0, failures: [] }
  const all = async (works: readonly (readonly [string, readonly string[]])[]): Promise<Run[]> => {
    const done: Run[] = []
    const queue = [...works]
    await Promise.all(Array.from({ length: jobs }, async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const ran = await run(world, next[0], next[1], cache)
        done.push(ran)
        outcome.runs++
        outcome.violations += ran.violations.length
        if (ran.violations.length === 0) continue
        outcome.failures.push(ran)
        say(`--scenario ${ran.scenario} --point ${ran.plan.join(",") || '""'}`)
        for (const violation of ran.violations.slice(0, 5)) say(`  ${violation}`)
      }
    }))
    return done
  }

  const plain = await all(scenarios.map((scenario) => [scenario, []]))
  const firsts = some(plain.flatMap(({ scenario, reached }) => reached[0]!.map((point) => [scenario, [point]] as const)), singles, random)
  say(`${scenarios.length} scenarios, ${firsts.length} points`)
  const once = await all(firsts)
  const seconds = once.flatMap(({ scenario, plan, reached }) => (reached[1] ?? []).map((point) => [scenario, [plan[0]!, point]] as const))
  say(`${Math.min(pairs, seconds.length)} of ${seconds.length} second points`)
  await all(some(seconds, pairs, random))
  if (!always) return outcome
  const chains = scenarios.flatMap((scenario) => COMMITS.map((n) => [scenario, Array.from({ length: CHAIN }, () => `commit.after#${n}`)] as const))
  say(`${chains.length} chains of ${CHAIN} crashes`)
  await all(chains)
  return outcome
}
