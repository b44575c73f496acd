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
  | { kind: "tool"; id: string; call: string; name: string; input: string; state: "called" | "waiting" | "started" | "settled"; outcome?: Outcome | "unknown" | "not-started"; output?: string; title?: string; blob?: string; milliseconds?: number; metadata?: unknown }
  | { kind: "file"; id: string; name: string; media: string; blob: string }

export interface Message { id: string; session: string; seq: number; role: "user" | "assistant" | "synthetic"; state: "open" | "settled"; activity?: string; model?: string; finish?: string; error?: { code: string; message: string }; usage?: Usage; parts: Part[]; created: number }

/** Why a session stopped working. `blocked` names the rule that nobody could answer. */
export interface Ended { session: string; state: "done" | "failed" | "blocked" | "interrupted" | "parked"; reason?: string; code?: string; rule?: string; usage: Usage; turns: number }

/** Errors: `session.unknown`, `session.conflict` (same input id, other text), `session.full` (200 pending inputs), `session.refused` (by `input.admit`). */
export interface Sessions {
  create(init: { directory: string; title?: string; model?: string; agent?: string; id?: string; parent?: string }): Promise<Session>
  get(id: string): Promise<Session | undefined>
  list(query?: { location?: string; limit?: number; archived?: boolean }): Promise<Session[]>
  update(id: string, change: { title?: string; model?: string; archived?: boolean }): Promise<Session>
  /** Admits input durably, then wakes the runner of the session's location, unless `resume` is false. Default delivery: steer. */
  prompt(input: { session: string; text: string; delivery?: Delivery; id?: string; resume?: boolean }): Promise<Receipt>
  /** Takes a pending input back. */
  cancel(session: string, input: string): Promise<boolean>
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

/** Every durable session event, as told after its commit in the location's realm: the data with where it stands. */
export interface Durable { session: string; seq: number; created: number; data: any }

declare module "graft" {
  interface Services { session: Sessions }
  interface Events {
    "session.created": Notify<Durable>
    "session.updated": Notify<Durable>
    "session.claimed": Notify<Durable>
    "session.interrupt.requested": Notify<Durable>
    "session.input.admitted": Notify<Durable>
    "session.input.promoted": Notify<Durable>
    "session.input.cancelled": Notify<Durable>
    "activity.opened": Notify<Durable>
    "activity.turn.started": Notify<Durable>
    "activity.turn.settled": Notify<Durable>
    "activity.parked": Notify<Durable>
    "activity.resumed": Notify<Durable>
    "activity.settled": Notify<Durable>
    "activity.interrupted": Notify<Durable>
    "provider.attempt.prepared": Notify<Durable>
    "provider.attempt.dispatched": Notify<Durable>
    "provider.attempt.output": Notify<Durable>
    "provider.attempt.retry.scheduled": Notify<Durable>
    "provider.attempt.settled": Notify<Durable>
    "message.created": Notify<Durable>
    "message.part.started": Notify<Durable>
    "message.part.appended": Notify<Durable>
    "message.part.settled": Notify<Durable>
    "message.settled": Notify<Durable>
    "tool.called": Notify<Durable>
    "tool.started": Notify<Durable>
    "tool.settled": Notify<Durable>
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
