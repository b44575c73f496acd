import type { Decide, Notify } from "graft"
import type { StoredEvent } from "../eventlog/contract.ts"
import type { Outcome } from "../tool/contract.ts"

export interface Usage { input: number; output: number; reasoning: number; cacheRead: number; cacheWrite: number; /** US dollars; absent when the model's prices are unknown. */ cost?: number }
export type SessionStatus = "idle" | "running" | "waiting" | "parked" | "failed"
export interface Session { id: string; parent?: string; location: string; directory: string; title: string; agent?: string; model?: string; status: SessionStatus; usage: Usage; created: number; updated: number; archived?: number }

export type Delivery = "steer" | "queue"
/** Admission is durable when this is given. The same `id` with the same text gives the same receipt. */
export interface Receipt { session: string; input: string; seq: number; cursor: string; state: "pending" | "promoted" | "cancelled" }

export type Part =
  | { kind: "text"; id: string; text: string; metadata?: unknown }
  | { kind: "reasoning"; id: string; text: string; metadata?: unknown }
  | { kind: "tool"; id: string; call: string; name: string; input: string; state: "called" | "waiting" | "started" | "settled"; outcome?: CallOutcome; output?: string; title?: string; blob?: string; milliseconds?: number; metadata?: unknown; /** Ran at the provider. */ executed?: "provider"; /** The provider's own data of the call and of its result, sent back as they came. */ replay?: { call?: unknown; result?: unknown } }
  | { kind: "file"; id: string; name: string; media: string; blob: string }

export interface Message { id: string; session: string; seq: number; role: "user" | "assistant" | "synthetic"; state: "open" | "settled"; activity?: string; model?: string; finish?: string; error?: { code: string; message: string }; usage?: Usage; parts: Part[]; created: number }

/** Why a session stopped working. `blocked` names the rule that nobody could answer. */
export interface Ended { session: string; state: "done" | "failed" | "blocked" | "interrupted" | "parked"; reason?: string; code?: string; rule?: string; usage: Usage; turns: number }

/** Errors: `session.unknown`, `session.conflict` (same input id, other text), `session.full` (200 pending inputs), `session.refused` (by `input.admit`), `session.directory` (not a directory), `session.empty` (no text), `session.invalid` (what was asked makes no sense). */
export interface Sessions {
  create(init: { directory: string; title?: string; model?: string; agent?: string; id?: string; parent?: string }): Promise<Session>
  get(id: string): Promise<Session | undefined>
  list(query?: { location?: string; limit?: number; archived?: boolean }): Promise<Session[]>
  update(id: string, change: { title?: string; model?: string; archived?: boolean }): Promise<Session>
  /** Admits input durably, then wakes the runner of the session's location, unless `resume` is false. Default delivery: steer. */
  prompt(input: { session: string; text: string; delivery?: Delivery; id?: string; resume?: boolean }): Promise<Receipt>
  /** Takes a pending input back. */
  cancel(session: string, input: string): Promise<boolean>
  /** What waits, oldest first. `resume` false: it goes along with the next work, and starts none. */
  inbox(session: string): Promise<{ id: string; text: string; delivery: Delivery; resume: boolean }[]>
  /** Sessions of a location whose work this owner began and did not end. */
  unfinished(location: string, owner: string): Promise<string[]>
  /** At least one attempt, from anywhere in the process with the id alone. */
  run(id: string): Promise<void>
  resume(id: string): Promise<void>
  interrupt(id: string, reason?: string): Promise<void>
  /** Resolves when nothing of this session runs or is eligible to. `signal` stops waiting, not the session. */
  wait(id: string, options?: { signal?: AbortSignal }): Promise<Ended>
  /** Oldest first; `after` is a message's seq, exclusive. */
  messages(id: string, page?: { after?: number; limit?: number }): Promise<Message[]>
  /** Durable events after an exclusive cursor, then what comes. */
  events(id: string, options?: { after?: string | number }): AsyncIterable<StoredEvent>
}

/** Why an activity stopped before it was done. */
export type ParkReason = "turn-limit" | "blocked" | "needs-decision" | "recovery-exhausted"
export interface Failure { code: string; message: string }
export type CallOutcome = Outcome | "unknown" | "not-started"
export type AttemptOutcome = "completed" | "truncated" | "failed" | "not-sent" | "lost" | "abandoned"

/**
 * What each durable event says. Ids are short and unique within their session: activity `a3`, message `a3.2` (activity
 * and turn; a user's message has its input's id), attempt `a3.2.1` (its n-th try), part `a3.2:0`. Times are integer ms.
 * Text stands once: a user's in `session.input.admitted`, a model's in `message.part.appended`, a tool's in `tool.settled`.
 */
export interface SessionFacts {
  "session.created": { directory: string; location: string; title: string; model?: string; agent?: string; parent?: string }
  "session.updated": { title?: string; model?: string; archived?: boolean }
  "session.claimed": { owner: string; epoch: number }
  "session.interrupt.requested": { reason?: string }
  "session.input.admitted": { input: string; delivery: Delivery; resume: boolean; text: string; hash: string }
  /** Its text becomes a user message with the input's id. */
  "session.input.promoted": { input: string; activity: string }
  "session.input.cancelled": { input: string }
  "activity.opened": { activity: string; ordinal: number; by: "input" | "run"; opener?: string; allowance: number }
  "activity.turn.started": { activity: string; turn: number }
  "activity.turn.settled": { activity: string; turn: number }
  "activity.parked": { activity: string; reason: ParkReason; rule?: string }
  "activity.resumed": { activity: string; by: "input" | "run"; allowance: number }
  "activity.settled": { activity: string; outcome: "completed" | "failed"; error?: Failure; note?: string }
  "activity.interrupted": { activity: string; reason: string }
  /** `hash` is over the request as it was sent, `context` names the blob that holds its system texts and tools. */
  "provider.attempt.prepared": { attempt: string; activity: string; turn: number; n: number; message: string; model: string; hash: string; context?: string; class: "resumable" | "idempotent" | "billing-only" | "unsafe" }
  "provider.attempt.dispatched": { attempt: string }
  "provider.attempt.output": { attempt: string; ref?: string }
  /** The next try is not before `at`. */
  "provider.attempt.retry.scheduled": { attempt: string; n: number; at: number; delay: number; error: Failure }
  "provider.attempt.settled": { attempt: string; outcome: AttemptOutcome; finish?: string; usage?: Usage; error?: Failure }
  /** A synthetic message has its whole text here, and is settled at once. */
  "message.created": { message: string; role: "assistant" | "synthetic"; activity: string; model?: string; text?: string }
  "message.part.started": { message: string; part: string; kind: "text" | "reasoning" }
  "message.part.appended": { message: string; part: string; text: string }
  /** `text` only where a `turn.response` hook replaced what had come. */
  "message.part.settled": { message: string; part: string; length: number; sha256: string; text?: string; metadata?: unknown }
  /** `dropped`: calls that a `turn.response` hook took out of the reply. */
  "message.settled": { message: string; finish: string; error?: Failure; usage?: Usage; dropped?: string[] }
  "tool.called": { message: string; call: string; name: string; input: string; recovery: "rerun" | "probe" | "unknown"; executed?: "provider"; replay?: unknown }
  "tool.started": { message: string; call: string }
  "tool.settled": { message: string; call: string; outcome: CallOutcome; output: string; title?: string; rule?: string; blob?: string; bytes?: number; truncated?: boolean; milliseconds?: number; metadata?: unknown; replay?: unknown }
}

/** Every durable session event, as told after its commit in the location's realm: the data with where it stands. */
export interface Durable<D = any> { session: string; seq: number; created: number; data: D }

/** Plugins that add durable events of their own extend SessionFacts in the same way. */
type Told = { [T in keyof SessionFacts]: Notify<Durable<SessionFacts[T]>> }

declare module "graft" {
  interface Services { session: Sessions }
  interface Events extends Told {
    /** Live only: derived, never stored. */
    "session.status": Notify<{ session: string; status: SessionStatus }>
    "session.idle": Notify<Ended>
    "message.part.delta": Notify<{ session: string; message: string; part: string; kind: "text" | "reasoning"; text: string }>
    "tool.input.delta": Notify<{ session: string; message: string; call: string; name: string; text: string }>
    "tool.progress": Notify<{ session: string; call: string; title?: string; output?: string }>
    /** May this input be admitted? An answer with a reason refuses it. */
    "input.admit": Decide<{ session: string; text: string; delivery: Delivery }, { refuse: string } | { admit: true }>
  }
}
