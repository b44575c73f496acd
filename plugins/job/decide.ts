/**
 * What is to be done about a job, as a pure function of its row and of what is seen of its process. Every crash point is
 * one of these cases (crash rows 28–34): nothing else is remembered.
 */
import type { JobOutcome, JobState } from "./contract.ts"

/** How a process said that it ended. `done`: a subagent answered. */
export type Exit = { kind: "exit"; code: number } | { kind: "signal"; signal: string } | { kind: "flood" } | { kind: "done" } | { kind: "error"; message: string } | { kind: "not-started" }
/** `gone`: nothing runs any more, and nothing says how it ended. */
export type Seen = { kind: "alive" } | { kind: "ended"; exit: Exit } | { kind: "gone"; why: string }
export interface Settle { kind: "settle"; outcome: JobOutcome; exit?: Exit; why?: string }
export type Step = { kind: "start" | "follow" | "stop" | "none" } | Settle

/** `seen` is of no account before it has started. */
export function decide(state: JobState, seen: Seen | undefined): Step {
  switch (state) {
    case "opened": return { kind: "start" }
    case "settled": return { kind: "none" }
    case "cancelling":
      if (seen?.kind === "alive") return { kind: "stop" }
      return { kind: "settle", outcome: "cancelled", ...(seen?.kind === "ended" && { exit: seen.exit }) }
    case "running":
      if (seen === undefined || seen.kind === "alive") return { kind: "follow" }
      return seen.kind === "ended" ? { kind: "settle", outcome: outcomeOf(seen.exit), exit: seen.exit } : { kind: "settle", outcome: "lost", why: seen.why }
    default: return state satisfies never
  }
}

function outcomeOf(exit: Exit): JobOutcome {
  switch (exit.kind) {
    case "exit": return exit.code === 0 ? "succeeded" : "failed"
    case "done": return "succeeded"
    case "signal": case "flood": case "error": return "failed"
    case "not-started": return "not-started"
    default: return exit satisfies never
  }
}
