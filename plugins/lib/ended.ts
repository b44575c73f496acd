/** Why a session stopped, from where its latest activity stands; and sums of what it used. */
import type { Ended, Failure, Usage } from "../session/contract.ts"

export interface Standing { state: string; outcome?: "completed" | "failed"; /** Why it was parked or interrupted, or what is to be noted of its end. */ reason?: string; rule?: string; error?: Failure }

export function endedOf(session: string, standing: Standing | undefined, usage: Usage, turns: number): Ended {
  return { session, ...(standing ? howEnded(standing) : { state: "done" }), usage, turns }
}

function howEnded({ state, outcome, reason, rule, error }: Standing): Pick<Ended, "state" | "reason" | "code" | "rule"> {
  if (state === "interrupted" || state === "abandoned") return { state: "interrupted", ...(reason && { reason }) }
  if (state === "parked") return { state: reason === "blocked" ? "blocked" : "parked", ...(reason && { reason }), ...(rule && { rule }) }
  if (outcome !== "failed") return { state: "done", ...(reason && { reason }) }
  return { state: "failed", ...(error && { code: error.code, reason: error.message }) }
}

export const noUsage = (): Usage => ({ input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 })

export function addUsage(a: Usage, b: Usage): Usage {
  const cost = a.cost === undefined && b.cost === undefined ? {} : { cost: (a.cost ?? 0) + (b.cost ?? 0) }
  return { input: a.input + b.input, output: a.output + b.output, reasoning: a.reasoning + b.reasoning, cacheRead: a.cacheRead + b.cacheRead, cacheWrite: a.cacheWrite + b.cacheWrite, ...cost }
}
