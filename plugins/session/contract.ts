import type { Decide, Notify } from "graft"
import type { Json, StoredEvent } from "../eventlog/contract.ts"
import type { PastRequest } from "../runner/contract.ts"
import type { Outcome } from "../tool/contract.ts"

export interface Usage { input: number; output: number; reasoning: number; cacheRead: number; cacheWrite: number; /** US dollars; absent when the model's prices are unknown. */ cost?: number }
export type SessionStatus = "idle" | "running" | "waiting" | "parked" | "failed" | "damaged"
/** `damage`: the first event that cannot be read; all before it can. `forked`: the session that its history was taken from. */
export interface Session { id: string; parent?: string; location: string; directory: string; title: string; agent?: string; model?: string; status: SessionStatus; usage: Usage; created: number; updated: number; archived?: number; forked?: string; damage?: { seq: number; reason: string } }

export type Delivery = "steer" | "queue"
/** `compact` and `move` are for the runner to do, alone, at the next safe boundary; what they say is in `data`. */
export type InputKind = "user" | "synthetic" | "job-result" | "compact" | "move" | "shell" | "skill"
/** What an input brings along: its bytes are a blob, kept before the input is admitted; `media` is told from them, not from the name. */
export interface Attachment { name: string; media: string; blob: string; bytes: number }
/** An input that waits. `resume` false: it goes along with the next work, and starts none. `kind` is absent for a user's words. */
export interface Waiting { id: string; text: string; delivery: Delivery; resume: boolean; kind?: InputKind; files?: Attachment[]; data?: Json }
/** Admission is durable when this is given. The same `id` with the same text gives the same receipt. */
export interface Receipt { session: string; input: string; seq: number; cursor: string; state: "pending" | "promoted" | "cancelled" }

export type Part =
  | { kind: "text"; id: string; text: string; metadata?: unknown }
  | { kind: "reasoning"; id: string; text: string; metadata?: unknown }
  | { kind: "tool"; id: string; call: string; name: string; input: string; state: "called" | "waiting" | "started" | "settled"; outcome?: CallOutcome; output?: string; title?: string; blob?: string; /** What it gave besides text. */ files?: readonly Attachment[]; milliseconds?: number; metadata?: unknown; /** Ran at the provider. */ executed?: "provider"; /** The provider's own data of the call and of its result, sent back as they came. */ replay?: { call?: unknown; result?: unknown } }
  | { kind: "file"; id: string; name: string; media: string; blob: string }
  /** A command that a person typed; in a message of theirs. */
  | { kind: "shell"; id: string; command: string; state: "started" | "settled"; output?: string; ending?: string; exit?: number; blob?: string }
  | { kind: "summary"; id: string; text: string; reason: "threshold" | "overflow" | "manual"; method: "model" | "fold" }

export interface Message { id: string; session: string; seq: number; role: "user" | "assistant" | "synthetic"; state: "open" | "settled"; activity?: string; model?: string; finish?: string; error?: { code: string; message: string }; usage?: Usage; parts: Part[]; created: number }

/** Why a session stopped working. `blocked` names the rule that nobody could answer. */
export interface Ended { session: string; state: "done" | "failed" | "blocked" | "interrupted" | "parked"; reason?: string; code?: string; rule?: string; usage: Usage; turns: number }

/** What stands about a session besides what was said. Lists have their latest last, and are bounded. */
export interface SessionReport {
  session: Session
  inbox: Waiting[]
  activities: { id: string; state: "open" | "parked" | "settled" | "interrupted"; by: "input" | "run"; turns: number; recoveries: number; outcome?: "completed" | "failed"; reason?: string; rule?: string; error?: Failure }[]
  /** How often an attempt, and a call of a tool, ended in which way; of those under way, in which state they are. */
  attempts: Record<string, number>
  calls: { name: string; outcome: string; count: number }[]
  /** Sessions that this one began. */
  children: string[]
  /** Reverts that can be undone: the first message that is hidden, and whether files were put back with it. */
  reverted: { message: string; files: boolean }[]
}

/**
 * Errors: `session.unknown`, `session.conflict` (same input id, other content), `session.full` (200 pending inputs),
 * `session.refused` (by `input.admit`), `session.directory` (not a directory), `session.empty` (no text),
 * `session.invalid` (what was asked makes no sense), `session.attachment` (a file that cannot be attached),
 * `session.busy` (not while it works), `session.nothing` (nothing to revert, or to restore), `session.damaged` (an event of
 * it cannot be read), `session.import` (a line of an export is not what it should be; it names the line), and
 * `eventlog.divergent` (an import of another history).
 */
export interface Sessions {
  create(init: { directory: string; title?: string; model?: string; agent?: string; id?: string; parent?: string }): Promise<Session>
  get(id: string): Promise<Session | undefined>
  /** `children` false: without those that another session began. */
  list(query?: { location?: string; limit?: number; archived?: boolean; children?: boolean }): Promise<Session[]>
  update(id: string, change: { title?: string; model?: string; archived?: boolean; agent?: string }): Promise<Session>
  /**
   * Admits input durably, then wakes the runner of the session's location, unless `resume` is false. Default delivery:
   * steer. Text up to 1 MiB. `files` (at most 20, 20 MiB together): a path, or a `file:`, `http(s):` or `data:` URL each;
   * text up to 1 MiB, images, PDF and audio. One that cannot be had refuses the whole input.
   */
  prompt(input: { session: string; text: string; delivery?: Delivery; id?: string; resume?: boolean; files?: string[] }): Promise<Receipt>
  /** Takes a pending input back. */
  cancel(session: string, input: string): Promise<boolean>
  /** Changes how a pending input is delivered; false when it waits no more. */
  deliver(session: string, input: string, delivery: Delivery): Promise<boolean>
  /** What waits, oldest first. */
  inbox(session: string): Promise<Waiting[]>
  /** Has the older part of the conversation folded at the next safe boundary. */
  compact(id: string, instructions?: string): Promise<Receipt>
  /** Has the session work in another directory: at once when it is idle, else at the next safe boundary. */
  move(id: string, directory: string): Promise<Session>
  /** Sessions of a location whose work this owner began and did not end. */
  unfinished(location: string, owner: string): Promise<string[]>
  /** At least one attempt, from anywhere in the process with the id alone. */
  run(id: string): Promise<void>
  resume(id: string): Promise<void>
  /** Is there anything of this session that runs, or may be gone on with without anybody's word? */
  busy(id: string): Promise<boolean>
  /** Sessions of a location with work that is open or may begin, latest first; whether somebody is at it the log knows. */
  open(location: string): Promise<string[]>
  /** Says what becomes of a request that may have been sent (parked, `needs-decision`): sent again, or left. A run decides "retry", a new prompt "abandon". `session.nothing` when there is nothing to decide. */
  decide(id: string, decision: Decision, actor?: string): Promise<void>
  interrupt(id: string, reason?: string): Promise<void>
  /** Resolves when nothing of this session runs or is eligible to. `signal` stops waiting, not the session. */
  wait(id: string, options?: { signal?: AbortSignal }): Promise<Ended>
  /** A new session whose conversation is this one's, up to and with `message` (default: all that is settled). */
  fork(id: string, options?: { message?: string }): Promise<Session>
  /**
   * Hides the conversation from `message` on (default: the last that the user said), until `restore`; what is said next
   * makes it final. With `files`, what the work from there on changed in files is put back too: `files` were, and `kept`
   * were changed by somebody else since and are left. `preview` only says what would be.
   */
  revert(id: string, options?: { message?: string; files?: boolean; preview?: boolean }): Promise<{ message: string; files: string[]; kept: string[]; /** Why no file is put back. */ unable?: string }>
  /** Undoes the reverts that are not final, files too. */
  restore(id: string): Promise<{ files: string[]; kept: string[]; unable?: string }>
  /** All of it and of the sessions that it began. What works is interrupted first. */
  remove(id: string): Promise<void>
  /** JSON lines, lossless, blobs included, and the sessions that it began after it. `until`: only up to this event, and of this session alone. */
  export(id: string, options?: { until?: number }): AsyncIterable<string>
  /** Gives the first session of the lines. What is there already is compared, and nothing happens twice. */
  import(lines: AsyncIterable<string>): Promise<Session>
  /** Every word, in any order and case (of ASCII letters), in one message or in a title; latest first. */
  search(text: string, options?: { location?: string; limit?: number }): Promise<{ session: string; message?: string; snippet: string; created: number }[]>
  describe(id: string): Promise<SessionReport>
  /** Reads all of it: what cannot be read, and how much can. Marks the session as damaged, or as whole again. */
  check(id: string): Promise<{ events: number; damage?: { seq: number; reason: string } }>
  /** A request as it was sent, byte for byte. Errors: `runner.attempt`, `runner.context`. */
  request(of: { session: string; attempt: string }): Promise<PastRequest>
  /** Oldest first; `after` is a message's seq, exclusive. Without what a revert hides. */
  messages(id: string, page?: { after?: number; limit?: number }): Promise<Message[]>
  /** Durable events after an exclusive cursor, then what comes. */
  events(id: string, options?: { after?: string | number }): AsyncIterable<StoredEvent>
}

/** Why an activity stopped before it was done. */
export type ParkReason = "turn-limit" | "blocked" | "loop" | "needs-decision" | "recovery-exhausted"
/** What an attempt costs when it is made twice: nothing (taken up again, or recognised by its key), money, or nobody knows. */
export type RetryClass = "resumable" | "idempotent" | "billing-only" | "unsafe"
export type Decision = "retry" | "abandon"
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
  /** `was`: refused unless the title is still this. `usage`: what it took to find the title. */
  "session.updated": { title?: string; model?: string; archived?: boolean; agent?: string; was?: string; usage?: Usage }
  /** Second event of a fork; the history that follows was told in session `from`, up to `message` (its event `seq`). */
  "session.forked": { from: string; message: string; seq: number }
  /** `message`: the first that is hidden. `snapshot`: what was done to files, as the plugin `snapshot` knows it. Only while no activity is open. */
  "session.reverted": { message: string; snapshot?: string }
  /** Undoes all reverts since an activity was last opened. */
  "session.restored": {}
  "session.moved": { directory: string; location: string }
  "session.claimed": { owner: string; epoch: number }
  "session.interrupt.requested": { reason?: string }
  "session.input.admitted": { input: string; delivery: Delivery; resume: boolean; text: string; hash: string; kind?: InputKind; files?: Attachment[]; data?: Json }
  "session.input.delivery.changed": { input: string; delivery: Delivery }
  /** Its text becomes a user message with the input's id. */
  "session.input.promoted": { input: string; activity: string }
  "session.input.cancelled": { input: string }
  "session.compaction.started": { compaction: string; reason: "threshold" | "overflow" | "manual"; why: string }
  /** `through`: seq of the last event that the summary stands for, `message` the last message. Requests are made of the summary and what follows. */
  "session.compaction.ended": { compaction: string; through: number; message: string; summary: string; method: "model" | "fold"; before: number; after: number; reason: "threshold" | "overflow" | "manual"; usage?: Usage; /** Who made it, or why no model did. */ note?: string }
  "session.compaction.failed": { compaction: string; error: Failure }
  "activity.opened": { activity: string; ordinal: number; by: "input" | "run"; opener?: string; allowance: number }
  "activity.turn.started": { activity: string; turn: number }
  "activity.turn.settled": { activity: string; turn: number }
  "activity.parked": { activity: string; reason: ParkReason; rule?: string }
  "activity.resumed": { activity: string; by: "input" | "run"; allowance: number }
  "activity.settled": { activity: string; outcome: "completed" | "failed"; error?: Failure; note?: string }
  "activity.interrupted": { activity: string; reason: string }
  /** The owner died; whoever goes on counts that before anything else. */
  "activity.recovery.started": { activity: string; recoveries: number }
  /** What is to become of an attempt that may have been sent; the event's actor says who decided it. */
  "activity.recovery.decided": { activity: string; attempt: string; decision: Decision }
  /** `hash` is over the request as it was sent, `context` names the blob that holds its system texts and tools. */
  "provider.attempt.prepared": { attempt: string; activity: string; turn: number; n: number; message: string; model: string; hash: string; context?: string; class: RetryClass }
  "provider.attempt.dispatched": { attempt: string }
  /** It may have been sent before its owner died, and may not be sent again without a decision. */
  "provider.attempt.unknown": { attempt: string }
  "provider.attempt.output": { attempt: string; ref?: string }
  /** The next try is not before `at`. */
  /** `model`: another one makes it, and speaks for the rest of the activity: what the config names next. */
  "provider.attempt.retry.scheduled": { attempt: string; n: number; at: number; delay: number; error: Failure; model?: string }
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
  /** A person is asked whether it may go on, under an id that stays when it is asked again; and what was answered. */
  "tool.asked": { message: string; call: string; ask: string; action: string; resource: string }
  "tool.replied": { message: string; call: string; ask: string; reply: "once" | "always" | "deny" }
  /** `plan`: what the tool needs to find out after a crash whether it took effect. */
  "tool.started": { message: string; call: string; plan?: Json }
  /** Run a second time after a crash, because it only reads. */
  "tool.restarted": { message: string; call: string }
  "tool.settled": { message: string; call: string; outcome: CallOutcome; output: string; title?: string; rule?: string; blob?: string; bytes?: number; truncated?: boolean; files?: Attachment[]; milliseconds?: number; metadata?: unknown; replay?: unknown }
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
    /** All of it is gone. */
    "session.deleted": Notify<{ session: string }>
    "message.part.delta": Notify<{ session: string; message: string; part: string; kind: "text" | "reasoning"; text: string }>
    "tool.input.delta": Notify<{ session: string; message: string; call: string; name: string; text: string }>
    "tool.progress": Notify<{ session: string; call: string; title?: string; output?: string }>
    /** May this input be admitted? An answer with a reason refuses it. */
    "input.admit": Decide<{ session: string; text: string; delivery: Delivery }, { refuse: string } | { admit: true }>
  }
}
