/**
 * The state machines of a session as tables: state → event → next state. The projection compares and sets by them,
 * the runner's fold moves by them, and a log can be checked against them. What is not in a table is impossible.
 */
export type Machine = { readonly [state: string]: { readonly [event: string]: string } }

/** The state before the first event. */
export const NONE = "none"

export const INPUT = {
  none: { "session.input.admitted": "pending" },
  pending: { "session.input.promoted": "promoted", "session.input.cancelled": "cancelled" },
  promoted: {},
  cancelled: {},
} as const satisfies Machine

export const ACTIVITY = {
  none: { "activity.opened": "open" },
  open: { "activity.turn.started": "open", "activity.turn.settled": "open", "activity.parked": "parked", "activity.settled": "settled", "activity.interrupted": "interrupted" },
  parked: { "activity.resumed": "open", "activity.interrupted": "interrupted" },
  settled: {},
  interrupted: {},
} as const satisfies Machine

/** One try at a turn. `waiting` became settled when the next try is prepared, or when its activity ends. */
export const ATTEMPT = {
  none: { "provider.attempt.prepared": "prepared" },
  prepared: { "provider.attempt.dispatched": "dispatched", "provider.attempt.settled": "settled" },
  dispatched: { "provider.attempt.output": "streaming", "provider.attempt.settled": "settled" },
  streaming: { "provider.attempt.settled": "settled" },
  settled: { "provider.attempt.retry.scheduled": "waiting" },
  waiting: {},
} as const satisfies Machine

export const CALL = {
  none: { "tool.called": "called" },
  called: { "tool.started": "started", "tool.settled": "settled" },
  started: { "tool.settled": "settled" },
  settled: {},
} as const satisfies Machine

export type InputState = Exclude<keyof typeof INPUT, "none">
export type ActivityState = Exclude<keyof typeof ACTIVITY, "none">
export type AttemptState = Exclude<keyof typeof ATTEMPT, "none">
export type CallState = Exclude<keyof typeof CALL, "none">

/** Where an event leads from a state; undefined when the machine does not allow it. */
export function next(machine: Machine, state: string, event: string): string | undefined {
  return machine[state]?.[event]
}

/** The states in which an event may happen. */
export function from(machine: Machine, event: string): string[] {
  return Object.keys(machine).filter((state) => machine[state]![event] !== undefined)
}
