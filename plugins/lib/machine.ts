/**
 * The state machines of a session as tables: state → event → next state. The projection compares and sets by them,
 * the runner's fold moves by them, and a log can be checked against them. What is not in a table is impossible.
 */
export type Machine = { readonly [state: string]: { readonly [event: string]: string } }

/** The state before the first event. */
export const NONE = "none"

export const INPUT = {
  none: { "session.input.admitted": "pending" },
  pending: { "session.input.promoted": "promoted", "session.input.cancelled": "cancelled", "session.input.delivery.changed": "pending" },
  promoted: {},
  cancelled: {},
} as const satisfies Machine

export const ACTIVITY = {
  none: { "activity.opened": "open" },
  open: { "activity.turn.started": "open", "activity.turn.settled": "open", "activity.recovery.started": "open", "activity.parked": "parked", "activity.settled": "settled", "activity.interrupted": "interrupted" },
  parked: { "activity.turn.settled": "parked", "activity.resumed": "open", "activity.recovery.decided retry": "open", "activity.recovery.decided abandon": "abandoned", "activity.interrupted": "interrupted" },
  settled: {},
  interrupted: {},
  abandoned: {},
} as const satisfies Machine

/** One try at a turn. `waiting` became settled when the next try is prepared, or when its activity ends; `unknown` may have been sent, and a person decides. */
export const ATTEMPT = {
  none: { "provider.attempt.prepared": "prepared" },
  prepared: { "provider.attempt.dispatched": "dispatched", "provider.attempt.settled": "settled" },
  dispatched: { "provider.attempt.output": "streaming", "provider.attempt.unknown": "unknown", "provider.attempt.settled": "settled" },
  streaming: { "provider.attempt.settled": "settled" },
  settled: { "provider.attempt.retry.scheduled": "waiting" },
  waiting: {},
  unknown: { "activity.recovery.decided retry": "settled", "activity.recovery.decided abandon": "settled", "provider.attempt.settled": "settled" },
} as const satisfies Machine

export const CALL = {
  none: { "tool.called": "called" },
  called: { "tool.asked": "waiting", "tool.started": "started", "tool.settled": "settled" },
  waiting: { "tool.asked": "waiting", "tool.replied": "waiting", "tool.started": "started", "tool.settled": "settled" },
  started: { "tool.asked": "started", "tool.replied": "started", "tool.restarted": "started", "tool.settled": "settled" },
  settled: {},
} as const satisfies Machine

/** A job that was asked to stop before it started is `cancelling` without a handle: it never runs. */
export const JOB = {
  none: { "job.opened": "opened" },
  opened: { "job.started": "running", "job.cancel.requested": "cancelling", "job.settled": "settled" },
  running: { "job.cancel.requested": "cancelling", "job.settled": "settled" },
  cancelling: { "job.settled": "settled" },
  settled: {},
} as const satisfies Machine

export type InputState = Exclude<keyof typeof INPUT, "none">
export type ActivityState = Exclude<keyof typeof ACTIVITY, "none">
export type AttemptState = Exclude<keyof typeof ATTEMPT, "none">
export type CallState = Exclude<keyof typeof CALL, "none">

/** The name under which an event stands in the tables: what a person decided says where it leads. */
export const stepOf = (type: string, data: unknown): string => (type === "activity.recovery.decided" ? `${type} ${(data as { decision: string }).decision}` : type)

/** Where an event leads from a state; undefined when the machine does not allow it. */
export function next(machine: Machine, state: string, event: string): string | undefined {
  return machine[state]?.[event]
}

/** The states in which an event may happen. */
export function from(machine: Machine, event: string): string[] {
  return Object.keys(machine).filter((state) => machine[state]![event] !== undefined)
}
