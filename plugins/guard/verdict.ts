/** Probation, decided: is an edit that keeps throwing taken back, to which generation, and with what words? */
import { dirname, parse, relative } from "node:path"
import type { Fault, JournalEntry } from "graft"

/** Of one generation, since it went live; `age` in milliseconds. */
export interface Counters { calls: number; crashes: number; age: number }
export type Verdict = "wait" | "revert" | "passed"

const CRASHES = 3
const CALLS = 20
const AGE = 60_000

/** Three crashes that are more than half of its calls, within its first minute or its first twenty calls. */
export function verdict({ calls, crashes, age }: Counters): Verdict {
  if (age > AGE && calls > CALLS) return "passed"
  return crashes >= CRASHES && crashes * 2 > calls ? "revert" : "wait"
}

/** The generation before the live one whose code was another: what an undo would bring back. From the journal of one plugin in one realm. */
export function before(journal: readonly JournalEntry[]): number | undefined {
  const good: { hash: string; gen: number }[] = []
  for (const { outcome, hash, gen } of journal) {
    if (hash === undefined || (outcome !== "committed" && outcome !== "reverted")) continue
    const known = outcome === "reverted" ? good.findLastIndex((each) => each.hash === hash) : good.at(-1)?.hash === hash ? good.length - 1 : -1
    if (known >= 0) good.length = known + 1
    else good.push({ hash, gen })
  }
  return good.at(-2)?.gen
}

export function sentence({ plugin, kind, message, where }: Pick<Fault, "plugin" | "kind" | "message" | "where">, gen: number, entry: string | undefined): string {
  const what = message.split("\n", 1)[0]!.slice(0, 200)
  return `reverted to ${gen}: your edit of ${where && entry ? nameOf(where, entry) : plugin} ${kind === "timeout" ? "hangs" : "throws"}: ${what}`
}

/** file:line as its author calls it: below the directory in which the plugin lies. */
function nameOf(where: string, entry: string): string {
  const [, path, line] = /^(.*?)(?::(\d+))?(?::\d+)?$/.exec(where)!
  const base = parse(entry).name === "index" ? dirname(dirname(entry)) : dirname(entry)
  return `${relative(base, path!)}${line ? `:${line}` : ""}`
}
