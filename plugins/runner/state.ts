/**
 * Where a session stands, as a fold over its events: the conversation, the latest activity, its latest turn. Only the
 * process that holds the claim writes these events, so what the fold says is true while the claim holds, and no turn
 * has to read its history again.
 */
import { ACTIVITY, ATTEMPT, CALL, next, type ActivityState, type AttemptState, type CallState } from "../lib/machine.ts"
import { emptyTranscript, evolveTranscript, type Fact, type Transcript } from "../lib/transcript.ts"
import { addUsage, noUsage } from "../lib/ended.ts"
import type { AttemptOutcome, CallOutcome, Failure, SessionFacts, Usage } from "../session/contract.ts"

export interface CallFact { call: string; name: string; state: CallState; executed: "local" | "provider"; outcome?: CallOutcome }
export interface Attempt { id: string; n: number; state: AttemptState; output: boolean; outcome?: AttemptOutcome; finish?: string; error?: Failure; notBefore?: number }
/** `empty`: nothing was said and nothing called. */
export interface Turn { number: number; message: string; settled: boolean; attempt?: Attempt; calls: CallFact[]; spoke: boolean }
export interface Activity {
  id: string
  ordinal: number
  state: ActivityState
  allowance: number
  turns: number
  turn?: Turn
  /** Turns in a row whose reply was cut off, or was empty. */
  cuts: number
  empties: number
  /** Synthetic messages so far: they count their ids. */
  notes: number
  /** A call that nobody could permit, until somebody resumes. */
  blocked?: string
  /** Resumed, and no turn since. */
  fresh: boolean
  outcome?: "completed" | "failed"
  reason?: string
  error?: Failure
  usage: Usage
}
export interface State { session: string; transcript: Transcript; activity?: Activity; /** Every call id that the conversation holds: an id is used once. */ calls: Set<string>; /** The day that the model was last told. */ day?: string }

export const emptyState = (session: string): State => ({ session, transcript: emptyTranscript(session), calls: new Set() })

/** Applies one event, in place. */
export function evolve(state: State, fact: Fact): void {
  evolveTranscript(state.transcript, fact)
  const apply = EVOLVE[fact.type as keyof typeof EVOLVE] as ((state: State, data: unknown) => void) | undefined
  apply?.(state, fact.data)
}

type Evolve = { [T in keyof SessionFacts]?: (state: State, data: SessionFacts[T]) => void }

const EVOLVE = {
  "activity.opened": (state, { activity, ordinal, allowance }) => {
    state.activity = { id: activity, ordinal, state: "open", allowance, turns: 0, cuts: 0, empties: 0, notes: 0, fresh: true, usage: noUsage() }
  },
  "activity.turn.started": ({ activity }, { turn }) => {
    if (!activity) return
    activity.turn = { number: turn, message: `${activity.id}.${turn}`, settled: false, calls: [], spoke: false }
    activity.turns = turn
    activity.allowance--
    activity.fresh = false
  },
  "activity.turn.settled": ({ activity }) => {
    if (!activity?.turn) return
    const { turn } = activity
    turn.settled = true
    activity.cuts = turn.attempt?.outcome === "truncated" ? activity.cuts + 1 : 0
    activity.empties = turn.attempt?.outcome === "completed" && isEmpty(turn) ? activity.empties + 1 : 0
  },
  "activity.parked": (state, { reason, rule }) => {
    moveActivity(state, "activity.parked")
    if (state.activity) Object.assign(state.activity, { reason, blocked: rule })
  },
  "activity.resumed": (state, { allowance }) => {
    moveActivity(state, "activity.resumed")
    if (state.activity) Object.assign(state.activity, { allowance, fresh: true, reason: undefined, blocked: undefined })
  },
  "activity.settled": (state, { outcome, error, note }) => {
    moveActivity(state, "activity.settled")
    if (state.activity) Object.assign(state.activity, { outcome, error, reason: note })
  },
  "activity.interrupted": (state, { reason }) => {
    moveActivity(state, "activity.interrupted")
    if (state.activity) state.activity.reason = reason
  },

  "provider.attempt.prepared": ({ activity }, { attempt, n }) => {
    if (activity?.turn) activity.turn.attempt = { id: attempt, n, state: "prepared", output: false }
  },
  "provider.attempt.dispatched": (state) => void moveAttempt(state, "provider.attempt.dispatched"),
  "provider.attempt.output": (state) => {
    const attempt = moveAttempt(state, "provider.attempt.output")
    if (attempt) attempt.output = true
  },
  "provider.attempt.retry.scheduled": (state, { at }) => {
    const attempt = moveAttempt(state, "provider.attempt.retry.scheduled")
    if (attempt) attempt.notBefore = at
  },
  "provider.attempt.settled": (state, { outcome, finish, error, usage }) => {
    const attempt = moveAttempt(state, "provider.attempt.settled")
    if (attempt) Object.assign(attempt, { outcome, finish, error })
    if (usage && state.activity) state.activity.usage = addUsage(state.activity.usage, usage)
  },

  "message.created": ({ activity }, { role, text }) => {
    if (role === "synthetic" && activity && text !== undefined) activity.notes++
  },
  "message.part.started": ({ activity }, { kind }) => {
    if (activity?.turn && kind === "text") activity.turn.spoke = true
  },

  "tool.called": ({ activity, calls }, { call, name, executed }) => {
    calls.add(call)
    activity?.turn?.calls.push({ call, name, state: "called", executed: executed ?? "local" })
  },
  "tool.started": (state, { call }) => void moveCall(state, call, "tool.started"),
  "tool.settled": (state, { call, outcome, rule }) => {
    const found = moveCall(state, call, "tool.settled")
    if (found) found.outcome = outcome
    if (outcome === "blocked" && state.activity) state.activity.blocked = rule ?? found?.name ?? "permission"
  },
} satisfies Evolve

export const isEmpty = (turn: Turn): boolean => !turn.spoke && turn.calls.length === 0

function moveActivity({ activity }: State, event: string): void {
  if (activity) activity.state = (next(ACTIVITY, activity.state, event) ?? activity.state) as ActivityState
}

function moveAttempt({ activity }: State, event: string): Attempt | undefined {
  const attempt = activity?.turn?.attempt
  if (attempt) attempt.state = (next(ATTEMPT, attempt.state, event) ?? attempt.state) as AttemptState
  return attempt
}

function moveCall({ activity }: State, id: string, event: string): CallFact | undefined {
  const call = activity?.turn?.calls.find((candidate) => candidate.call === id)
  if (call) call.state = (next(CALL, call.state, event) ?? call.state) as CallState
  return call
}
