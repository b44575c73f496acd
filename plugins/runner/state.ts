/**
 * Where a session stands, as a fold over its events: the conversation, the latest activity, its latest turn. Only the
 * process that holds the claim writes these events, so what the fold says is true while the claim holds, and no turn
 * has to read its history again.
 */
import { ACTIVITY, ATTEMPT, CALL, next, stepOf, type ActivityState, type AttemptState, type CallState } from "../lib/machine.ts"
import { callIn, emptyTranscript, evolveTranscript, type Fact, type Transcript } from "../lib/transcript.ts"
import { addUsage, noUsage } from "../lib/ended.ts"
import type { AttemptOutcome, CallOutcome, Failure, InputKind, ParkReason, RetryClass, SessionFacts, Usage } from "../session/contract.ts"
import type { Recovery } from "../tool/contract.ts"

export type Reply = SessionFacts["tool.replied"]["reply"]
/** `runs`: how often it began. `replies`: what a person said to its questions. `plan`: what a probe goes by. */
export interface CallFact { call: string; name: string; state: CallState; executed: "local" | "provider"; recovery: Recovery; runs: number; replies: Map<string, Reply>; plan?: unknown; outcome?: CallOutcome }
export interface Attempt { id: string; n: number; class: RetryClass; state: AttemptState; output: boolean; outcome?: AttemptOutcome; finish?: string; error?: Failure; notBefore?: number }
/** `spoke` and no calls: nothing was said and nothing called. `failures`: attempts that count against the budget; `losses`: those that a crash left. `open`: parts that grow. */
export interface Turn { number: number; message: string; settled: boolean; attempt?: Attempt; calls: CallFact[]; spoke: boolean; open: Set<string>; failures: number; losses: number; /** What became of the fold that an overflow asked for. */ folded?: "ended" | "failed" }
/** What a person asked for beside the conversation: done alone, between two turns. */
export interface Control { input: string; kind: InputKind; data: unknown }
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
  /** The latest call with its result, and in how many turns in a row it was made. */
  same: { call: string; times: number; turn: number }
  /** Synthetic messages so far: they count their ids. */
  notes: number
  /** A call that nobody could permit, until somebody resumes. */
  blocked?: string
  /** Somebody said something, and no turn since. */
  fresh: boolean
  /** Its owner died, and nobody has counted that yet; and how often that was counted. */
  orphan: boolean
  recoveries: number
  control?: Control
  /** The model that speaks since the one before it could not. */
  instead?: string
  outcome?: "completed" | "failed"
  reason?: string
  error?: Failure
  usage: Usage
}
export interface State {
  session: string
  transcript: Transcript
  activity?: Activity
  /** Inputs that were promoted to be done, not said. */
  taken: Set<string>
  /** Every call id that the conversation holds: an id is used once. */
  calls: Set<string>
  /** Who claimed it last. */
  owner?: string
  /** Why it is to be interrupted, where nobody lived to do it. */
  stop?: string
  /** A fold of the conversation that has begun; and how many there were. */
  compacting?: string
  compactions: number
  /** Tokens that the provider counted in the last request, and how long the conversation was then. */
  measured?: { input: number; messages: number }
}

export const emptyState = (session: string): State => ({ session, transcript: emptyTranscript(session), calls: new Set(), taken: new Set(), compactions: 0 })

/** Applies one event, in place. */
export function evolve(state: State, fact: Fact): void {
  evolveTranscript(state.transcript, fact)
  const apply = EVOLVE[fact.type as keyof typeof EVOLVE] as ((state: State, data: unknown) => void) | undefined
  apply?.(state, fact.data)
}

/** What only a process that lives can be at. */
const LIVE: readonly AttemptState[] = ["prepared", "dispatched", "streaming"]
export const isUnderWay = (turn: Turn | undefined): boolean =>
  turn !== undefined && !turn.settled && ((turn.attempt !== undefined && LIVE.includes(turn.attempt.state)) || turn.calls.some((call) => call.state !== "settled"))

type Evolve = { [T in keyof SessionFacts]?: (state: State, data: SessionFacts[T]) => void }

const EVOLVE = {
  // Between two turns one generation of this process hands over to the next; all else that is open was left by somebody who died.
  "session.claimed": (state, { owner }) => {
    const { activity } = state
    if (activity?.state === "open" && (state.owner !== owner || isUnderWay(activity.turn) || state.compacting !== undefined)) activity.orphan = true
    state.owner = owner
  },
  // An interrupt is answered by an ending; who says something after it wants more than that.
  "session.interrupt.requested": (state, { reason = "interrupted" }) => void (state.stop = reason),
  "session.input.admitted": (state, { resume }) => {
    if (resume) state.stop = undefined
  },
  "session.compaction.started": (state, { compaction }) => void Object.assign(state, { compacting: compaction, compactions: state.compactions + 1 }),
  "session.compaction.ended": (state) => folded(state, "ended"),
  "session.compaction.failed": (state) => folded(state, "failed"),
  "session.input.promoted": ({ activity, transcript, taken }, { input }) => {
    const control = transcript.controls.get(input)
    if (control) taken.add(input)
    if (!activity) return
    if (control) Object.assign(activity, { control: { input, ...control }, fresh: activity.turns > 0 && activity.fresh })
    else if (activity.turns === 0) activity.fresh = true
  },

  "session.moved": ({ activity }) => {
    if (activity?.control?.kind === "move") activity.control = undefined
  },

  "activity.opened": (state, { activity, ordinal, allowance }) => {
    state.stop = undefined
    state.activity = { id: activity, ordinal, state: "open", allowance, turns: 0, cuts: 0, empties: 0, same: { call: "", times: 0, turn: 0 }, notes: 0, fresh: true, orphan: false, recoveries: 0, usage: noUsage() }
  },
  "activity.turn.started": ({ activity }, { turn }) => {
    if (!activity) return
    activity.turn = { number: turn, message: `${activity.id}.${turn}`, settled: false, calls: [], spoke: false, open: new Set(), failures: 0, losses: 0 }
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
    if (state.activity) Object.assign(state.activity, { reason, orphan: false, blocked: rule })
  },
  "activity.resumed": (state, { allowance }) => {
    moveActivity(state, "activity.resumed")
    state.stop = undefined
    if (state.activity) Object.assign(state.activity, { allowance, fresh: true, recoveries: 0, same: { call: "", times: 0, turn: 0 }, reason: undefined, blocked: undefined, instead: undefined })
  },
  "activity.settled": (state, { outcome, error, note }) => {
    moveActivity(state, "activity.settled")
    state.stop = undefined
    if (state.activity) Object.assign(state.activity, { outcome, error, reason: note })
  },
  "activity.interrupted": (state, { reason }) => {
    moveActivity(state, "activity.interrupted")
    state.stop = undefined
    if (state.activity) Object.assign(state.activity, { reason, orphan: false })
  },
  "activity.recovery.started": ({ activity }, { recoveries }) => {
    if (activity) Object.assign(activity, { recoveries, orphan: false })
  },
  "activity.recovery.decided": (state, data) => {
    const event = stepOf("activity.recovery.decided", data)
    moveActivity(state, event)
    const attempt = moveAttempt(state, event)
    if (state.activity) state.activity.reason = data.decision === "abandon" ? "the request that may have been sent was left" : undefined
    if (attempt) lose(state, attempt, data.decision === "retry" ? "lost" : "abandoned")
  },

  "provider.attempt.prepared": ({ activity }, { attempt, n, class: retry }) => {
    if (activity?.turn) activity.turn.attempt = { id: attempt, n, class: retry, state: "prepared", output: false }
  },
  "provider.attempt.dispatched": (state) => void moveAttempt(state, "provider.attempt.dispatched"),
  "provider.attempt.output": (state) => {
    const attempt = moveAttempt(state, "provider.attempt.output")
    if (attempt) attempt.output = true
  },
  "provider.attempt.unknown": (state) => void moveAttempt(state, "provider.attempt.unknown"),
  "provider.attempt.retry.scheduled": (state, { at, model }) => {
    const attempt = moveAttempt(state, "provider.attempt.retry.scheduled")
    if (attempt) attempt.notBefore = at
    if (!state.activity || model === undefined) return
    state.activity.instead = model
    if (state.activity.turn) state.activity.turn.failures = 0
  },
  "provider.attempt.settled": (state, { outcome, finish, error, usage }) => {
    const attempt = moveAttempt(state, "provider.attempt.settled")
    if (attempt) Object.assign(attempt, { finish, error })
    if (attempt) lose(state, attempt, outcome)
    if (!usage) return
    if (state.activity) state.activity.usage = addUsage(state.activity.usage, usage)
    state.measured = { input: usage.input, messages: state.transcript.messages.length }
  },

  "message.created": ({ activity }, { role, text }) => {
    if (role === "synthetic" && activity && text !== undefined) activity.notes++
  },
  "message.part.started": ({ activity }, { part, kind }) => {
    if (!activity?.turn) return
    activity.turn.open.add(part)
    if (kind === "text") activity.turn.spoke = true
  },
  "message.part.settled": ({ activity }, { part }) => void activity?.turn?.open.delete(part),

  "tool.called": ({ activity, calls }, { call, name, executed, recovery }) => {
    calls.add(call)
    activity?.turn?.calls.push({ call, name, state: "called", executed: executed ?? "local", recovery, runs: 0, replies: new Map() })
  },
  "tool.asked": (state, { call }) => void moveCall(state, call, "tool.asked"),
  "tool.replied": (state, { call, ask, reply }) => void moveCall(state, call, "tool.replied")?.replies.set(ask, reply),
  "tool.started": (state, { call, plan }) => {
    const found = moveCall(state, call, "tool.started")
    if (found) Object.assign(found, { runs: 1, plan })
  },
  "tool.restarted": (state, { call }) => {
    const found = moveCall(state, call, "tool.restarted")
    if (found) found.runs++
  },
  "tool.settled": (state, { message, call, outcome, output, rule }) => {
    const found = moveCall(state, call, "tool.settled")
    const { activity, transcript } = state
    if (found) found.outcome = outcome
    if (!activity) return
    if (outcome === "blocked") activity.blocked = rule ?? found?.name ?? "permission"
    const made = `${found?.name} ${callIn(transcript, message, call)?.input} ${output}`
    const { call: before, times, turn } = activity.same
    activity.same = { call: made, times: before !== made ? 1 : turn === activity.turns ? times : times + 1, turn: activity.turns }
  },
} satisfies Evolve

export const isEmpty = (turn: Turn): boolean => !turn.spoke && turn.calls.length === 0
export const parkedFor = (activity: Activity | undefined): ParkReason | undefined => (activity?.state === "parked" ? (activity.reason as ParkReason) : undefined)

/** A fold was for a person, or for a turn that did not fit, or for none. */
function folded(state: State, how: "ended" | "failed"): void {
  const { activity } = state
  state.compacting = undefined
  if (how === "ended") state.measured = undefined
  if (activity?.control?.kind === "compact") activity.control = undefined
  else if (activity?.turn && !activity.turn.settled) activity.turn.folded = how
}

function lose({ activity }: State, attempt: Attempt, outcome: AttemptOutcome): void {
  attempt.outcome = outcome
  if (!activity?.turn) return
  if (outcome === "failed" || outcome === "lost") activity.turn.failures++
  if (outcome === "lost") activity.turn.losses++
}

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
