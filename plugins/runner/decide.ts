/**
 * What a session does next, as a pure function of where it stands, what waits in its inbox, and whether somebody asked
 * it to run. Every crash point is one of these cases too (sessions.md §3.7): the rows say where, this says what.
 */
import type { Failure, ParkReason } from "../session/contract.ts"
import type { Activity, State, Turn } from "./state.ts"

/** Turns that one input, or one explicit run, pays for. */
export const ALLOWANCE = 25
/** Steers that are taken in at one boundary. */
export const MOST_STEERS = 64
/** Replies in a row that may break off, and that may be empty, before the activity fails. */
const MOST_CUTS = 3
const MOST_EMPTIES = 2

export interface Pending { id: string; text: string; delivery: "steer" | "queue"; resume: boolean }

export type Step =
  /** A dead owner left calls or an attempt open. */
  | { kind: "recover" }
  | { kind: "open"; by: "input" | "run"; inputs: Pending[] }
  | { kind: "resume"; by: "input" | "run"; inputs: Pending[] }
  | { kind: "turn"; inputs: Pending[]; note?: string }
  | { kind: "wait"; attempt: string; until: number }
  | { kind: "retry" }
  | { kind: "settle-turn" }
  | { kind: "park"; reason: ParkReason; rule?: string }
  | { kind: "settle"; outcome: "completed" | "failed"; error?: Failure; note?: string }
  | { kind: "idle" }

const NOTES = {
  cut: "Your last reply was cut off; what arrived of it stands above. Go on from there, and do not repeat what was done.",
  empty: "Your last reply was empty. Answer, or call a tool; if nothing is left to do, say so in a sentence.",
  go: "Continue.",
}

/** `inbox` is in order of admission; `force`: at least one attempt is wanted; `now` in ms. */
export function decide({ activity, transcript }: State, inbox: readonly Pending[], force: boolean, now: number): Step {
  const steers = inbox.filter((input) => input.delivery === "steer").slice(0, MOST_STEERS)
  const eligible = inbox.some((input) => input.resume)
  const first = steers.length > 0 ? steers : inbox.slice(0, 1)
  const by = eligible ? "input" : "run"
  if (!activity || activity.state === "settled" || activity.state === "interrupted") return eligible || force ? { kind: "open", by, inputs: first } : { kind: "idle" }
  if (activity.state === "parked") return eligible || force ? { kind: "resume", by, inputs: first } : { kind: "idle" }

  const { turn } = activity
  if (turn && !turn.settled) return inTurn(turn, now)
  const failed = failureOf(activity, turn)
  if (failed && !activity.fresh) return { kind: "settle", outcome: "failed", error: failed }
  if (activity.blocked !== undefined) return { kind: "park", reason: "blocked", rule: activity.blocked }
  const note = noteFor(activity, turn, transcript.messages.at(-1)?.role === "assistant" && steers.length === 0)
  const called = turn !== undefined && turn.calls.some((call) => call.executed === "local")
  if (!(activity.fresh || called || steers.length > 0 || note !== undefined)) return { kind: "settle", outcome: "completed", ...finishNote(turn) }
  if (activity.allowance <= 0) return { kind: "park", reason: "turn-limit" }
  return { kind: "turn", inputs: steers, ...(note !== undefined && { note }) }
}

/** Between turns nothing is live: what is, was left by somebody who died. */
function inTurn({ attempt, calls }: Turn, now: number): Step {
  if (attempt?.state === "waiting") return now < attempt.notBefore! ? { kind: "wait", attempt: attempt.id, until: attempt.notBefore! } : { kind: "retry" }
  if (!attempt || attempt.state !== "settled" || calls.some((call) => call.state !== "settled")) return { kind: "recover" }
  return { kind: "settle-turn" }
}

function failureOf(activity: Activity, turn: Turn | undefined): Failure | undefined {
  const attempt = turn?.attempt
  if (attempt?.outcome === "failed") return attempt.error ?? { code: "runner.failed", message: "the provider's turn failed" }
  if (activity.cuts >= MOST_CUTS) return { code: attempt?.error?.code ?? "llm.cut", message: `${MOST_CUTS} replies in a row broke off: ${attempt?.error?.message ?? "the stream was cut"}. What arrived is kept; run the session again to go on` }
  if (activity.empties >= MOST_EMPTIES) return { code: "runner.empty", message: `the model answered with nothing ${MOST_EMPTIES} times; ask again, or choose another model` }
  return undefined
}

function noteFor(activity: Activity, turn: Turn | undefined, afterAssistant: boolean): string | undefined {
  if (activity.cuts > 0) return NOTES.cut
  if (activity.empties > 0) return NOTES.empty
  // A run without input: a conversation that ends with the assistant's words gives it nothing to answer.
  return activity.fresh && afterAssistant && !turn?.calls.length ? NOTES.go : undefined
}

function finishNote(turn: Turn | undefined): { note?: string } {
  const finish = turn?.attempt?.finish
  if (finish === "length") return { note: "the reply reached the model's output limit" }
  if (finish === "content-filter") return { note: "the provider's content filter ended the reply" }
  return {}
}
