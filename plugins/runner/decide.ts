/**
 * What a session does next, as a pure function of where it stands, what waits in its inbox, and whether somebody asked
 * it to run. Every crash point is one of these cases too (sessions.md §3.7): the rows say where, this says what.
 */
import type { Failure, ParkReason, Waiting } from "../session/contract.ts"
import { parkedFor, type Activity, type Attempt, type CallFact, type Control, type State, type Turn } from "./state.ts"

/** Turns that one input, or one explicit run, pays for. */
export const ALLOWANCE = 25
/** Steers that are taken in at one boundary. */
export const MOST_STEERS = 64
/** Replies in a row that may break off, and that may be empty, before the activity fails. */
const MOST_CUTS = 3
const MOST_EMPTIES = 2
/** The same call in a row before the model is told, and before a person is. */
const NUDGED = 3
const LOOP = 5
/** Deaths of its owner that an activity may go on after, before a person has to say so. */
export const MOST_RECOVERIES = 3
/** Times that a crash may have an attempt sent again under its key, and that a call which only reads may run. */
const MOST_LOSSES = 2
const MOST_RUNS = 2

export type Pending = Waiting

export type Step =
  /** Its owner died: that is counted before anything else. */
  | { kind: "recover"; recoveries: number }
  /** An attempt that was under way: nothing was sent, it may be sent again, it broke off. */
  | { kind: "left-attempt"; outcome: "not-sent" | "lost" | "truncated" }
  /** It may have been sent, and a person decides. */
  | { kind: "unknown"; attempt: string }
  | { kind: "left-calls" }
  | { kind: "left-fold" }
  | { kind: "exhaust" }
  /** Somebody asked for it, and the owner died before it was done. */
  | { kind: "interrupt" }
  | { kind: "open"; by: "input" | "run"; inputs: Pending[] }
  | { kind: "resume"; by: "input" | "run"; inputs: Pending[] }
  | { kind: "take"; inputs: Pending[] }
  | { kind: "control"; control: Control }
  | { kind: "turn"; inputs: Pending[]; note?: string }
  | { kind: "wait"; attempt: string; until: number }
  | { kind: "retry" }
  /** The conversation did not fit: it is folded, and the same turn is made again. */
  | { kind: "fold" }
  | { kind: "settle-turn" }
  | { kind: "park"; reason: ParkReason; rule?: string }
  | { kind: "settle"; outcome: "completed" | "failed"; error?: Failure; note?: string }
  | { kind: "idle" }

/** Of these the end is a commit; nothing is run or sent, and whoever asks waits for them. */
export const isDecision = ({ kind }: Step): boolean => kind === "recover" || kind === "left-attempt" || kind === "unknown" || kind === "exhaust" || kind === "interrupt"

const NOTES = {
  cut: "Your last reply was cut off; what arrived of it stands above. Go on from there, and do not repeat what was done.",
  empty: "Your last reply was empty. Answer, or call a tool; if nothing is left to do, say so in a sentence.",
  go: "Continue.",
  loop: "You have made the very same call several times in a row, and its result will not change. Try another way, or say what stands in yours.",
  last: "This is the last turn of this work: make no further calls. Say what is done, what is not, and what to do next.",
}

export interface Given {
  state: State
  /** In order of admission. */
  inbox: readonly Pending[]
  /** At least one attempt is wanted. */
  force: boolean
  /** Milliseconds. */
  now: number
  /** An attempt whose only danger is its price may be sent again once after a crash (`recovery.billingOnly`). */
  auto?: boolean
}

export function decide({ state, inbox, force, now, auto = false }: Given): Step {
  const { activity } = state
  const within = inbox.filter((input) => isControl(input) || input.delivery === "steer")
  const barrier = within.findIndex(isControl)
  const steers = (barrier < 0 ? within : within.slice(0, barrier)).slice(0, MOST_STEERS)
  const control = barrier === 0 ? within.slice(0, 1) : []
  const eligible = inbox.some((input) => input.resume)
  const first = control.length > 0 ? control : steers.length > 0 ? steers : inbox.slice(0, 1)
  const by = eligible ? "input" : "run"

  const held = activity?.state === "open" || activity?.state === "parked"
  if (state.stop !== undefined && (held || eligible)) return { kind: "interrupt" }
  if (!activity || (activity.state !== "open" && activity.state !== "parked")) return eligible || force ? { kind: "open", by, inputs: first } : { kind: "idle" }
  if (activity.state === "open") {
    if (activity.orphan) return { kind: "recover", recoveries: activity.recoveries + 1 }
    if (activity.recoveries > MOST_RECOVERIES) return { kind: "exhaust" }
    if (state.compacting !== undefined) return { kind: "left-fold" }
    const { turn } = activity
    if (turn && !turn.settled) return inTurn(turn, now, auto)
  }
  if (activity.control) return { kind: "control", control: activity.control }
  if (control.length > 0 && (eligible || force || activity.state === "open")) return { kind: "take", inputs: control }
  if (activity.state === "parked") return (eligible || force) && parkedFor(activity) !== "needs-decision" ? { kind: "resume", by, inputs: first } : { kind: "idle" }
  return between(activity, state, steers)
}

/** An input that is done, and not said to the model. */
export const isControl = ({ kind }: Pick<Pending, "kind">): boolean => kind === "compact" || kind === "move"

/** What was left when its owner died, and what a turn itself leaves to be decided. */
function inTurn(turn: Turn, now: number, auto: boolean): Step {
  const { attempt, calls } = turn
  switch (attempt?.state) {
    case "prepared": return { kind: "left-attempt", outcome: "not-sent" }
    case "dispatched": return mayBeSentAgain(attempt, turn, auto) ? { kind: "left-attempt", outcome: "lost" } : { kind: "unknown", attempt: attempt.id }
    case "streaming": return { kind: "left-attempt", outcome: "truncated" }
    case "waiting": return now < attempt.notBefore! ? { kind: "wait", attempt: attempt.id, until: attempt.notBefore! } : { kind: "retry" }
  }
  if (calls.some((call) => call.state !== "settled")) return { kind: "left-calls" }
  if (!attempt || attempt.outcome === "lost" || attempt.outcome === "not-sent") return { kind: "retry" }
  if (attempt.outcome === "failed" && attempt.error?.code === OVERFLOW && turn.folded !== "failed") return turn.folded ? { kind: "retry" } : { kind: "fold" }
  return { kind: "settle-turn" }
}

const OVERFLOW = "llm.overflow"
/** A conversation that is too long is folded once a turn. */
export const mayFold = (failure: Failure, turn: Turn): boolean => failure.code === OVERFLOW && turn.folded === undefined

/** Sessions.md §3.3: what comes of an attempt that may have been sent. */
function mayBeSentAgain({ class: retry }: Attempt, { losses }: Turn, auto: boolean): boolean {
  if (retry === "idempotent") return losses < MOST_LOSSES
  return retry === "billing-only" && auto && losses === 0
}

/** What becomes of a call that its owner left: sessions.md §3.4. */
export type Fate = { kind: "settle"; outcome: "unknown" | "not-started" } | { kind: "run" } | { kind: "probe" }
export function fateOf({ state, executed, recovery, runs, replies }: CallFact): Fate {
  if (executed === "provider") return { kind: "settle", outcome: "unknown" }
  if (state === "waiting") return { kind: "run" }
  if (state === "called") return replies.size > 0 ? { kind: "run" } : { kind: "settle", outcome: "not-started" }
  if (recovery === "rerun" && runs < MOST_RUNS) return { kind: "run" }
  return recovery === "probe" ? { kind: "probe" } : { kind: "settle", outcome: "unknown" }
}

/** No turn is under way: the work is over, or it stops, or it goes on. */
function between(activity: Activity, { transcript }: State, steers: Pending[]): Step {
  const { turn } = activity
  const failed = failureOf(activity, turn)
  if (failed && !activity.fresh) return { kind: "settle", outcome: "failed", error: failed }
  if (activity.blocked !== undefined) return { kind: "park", reason: "blocked", rule: activity.blocked }
  if (activity.same.times >= LOOP && steers.length === 0) return { kind: "park", reason: "loop" }
  const note = noteFor(activity, turn, transcript.messages.at(-1)?.role === "assistant" && steers.length === 0)
  const called = turn !== undefined && turn.calls.some((call) => call.executed === "local")
  if (!(activity.fresh || called || steers.length > 0 || note !== undefined)) return { kind: "settle", outcome: "completed", ...finishNote(turn) }
  if (activity.allowance <= 0) return { kind: "park", reason: "turn-limit" }
  const told = note ?? (called && activity.same.times >= NUDGED ? NOTES.loop : activity.allowance === 1 && activity.turns > 0 ? NOTES.last : undefined)
  return { kind: "turn", inputs: steers, ...(told !== undefined && { note: told }) }
}

function failureOf(activity: Activity, turn: Turn | undefined): Failure | undefined {
  const attempt = turn?.attempt
  if (attempt?.outcome === "failed") return attempt.error ?? { code: "runner.failed", message: "the provider's turn failed" }
  // What the provider's filter ended is not asked for again.
  if (attempt?.error?.code === "llm.content-filter") return attempt.error
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
