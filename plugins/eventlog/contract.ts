import type { Notify } from "graft"
import type { Migration, Statement } from "../store/contract.ts"

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined }

export interface NewEvent { type: string; version?: number; data: Json; /** Prefixed, sortable; made when absent. The same id with the same content is a no-op, with other content `eventlog.divergent`. */ id?: string; causation?: string; correlation?: string }

/** `epoch` is the aggregate's at that time, whoever appended: along `seq` it never falls. */
export interface StoredEvent { aggregate: string; seq: number; position: number; id: string; type: string; version: number; epoch: number; actor: string; created: number; causation?: string; correlation?: string; data: Json }

export interface Append {
  aggregate: string
  /** Creates the aggregate when it is missing: session | project | catalog. */
  create?: string
  /** Fencing token of the owner; needed for execution events, absent for commands. */
  epoch?: number
  actor: string
  events: readonly NewEvent[]
  /** After commit the events are notified under their own types in this location's realm (absent: at the root). */
  location?: string
  /** Idempotent retry: the same id and hash gives the stored receipt and appends nothing; another hash is `eventlog.conflict`. */
  command?: { id: string; kind: string; hash: string }
  /** Extra writes in the same transaction, e.g. a claim. */
  writes?: readonly Statement[]
}
export interface Appended { first: number; last: number; cursor: string; /** The command, or these very events, had been appended before; nothing was now. */ repeated: boolean }
export interface Page { events: StoredEvent[]; next: string; head: number }

/** A read model: tables made by `migrations`, kept by `project`, in the transaction of the append. One that comes late catches up first. */
export interface Projection {
  id: string
  types: readonly string[]
  migrations: readonly Migration[]
  /** Names of the tables it owns, emptied before a rebuild. */
  tables: readonly string[]
  /** Pure: reads nothing, gives the writes. */
  project(event: StoredEvent): readonly Statement[]
  /** Pure: what takes an aggregate's rows away, when all of it is removed. Without it a removal costs a rebuild. */
  forget?(aggregate: string): readonly Statement[]
}

/** An event of another log, as it is there. Without an `id` its place is its id; `position` is this log's own to give. */
export type Replicated = Omit<StoredEvent, "id" | "position"> & { id?: string; position?: number }

/** How data of version `from` reads in the next version. Pure. Applied whenever an event is read or projected again; types that nobody knows pass as they are. */
export interface Upcast { type: string; from: number; upcast(data: Json): Json }

/**
 * Errors carry `code`: `eventlog.fenced` (another owner took over, or there was no epoch where one is needed),
 * `eventlog.owned`, `eventlog.replica` (only its keeper writes to it), `eventlog.divergent`, `eventlog.gap` (events are
 * missing in between), `eventlog.conflict`, `eventlog.unknown` (no such aggregate or projection), `eventlog.cursor` (other
 * log, or ahead of head), `eventlog.invalid`, `eventlog.projection` and `eventlog.upcast` (one threw), `eventlog.corrupt`
 * (an event cannot be read; its `seq` says which); and those of the store.
 */
export interface EventLog {
  /** When one of an owner's appends is refused, those that it had already made after it are refused with the same error. */
  append(batch: Append): Promise<Appended>
  /** `after` is an exclusive cursor `logId:seq` (or a bare seq); default the start; `limit` default 512, at most 4,096. A page ends before an event that cannot be read; one that would begin with it is refused. */
  read(query: { aggregate: string; after?: string | number; limit?: number; types?: readonly string[] }): Promise<Page>
  head(aggregate: string): Promise<{ seq: number; cursor: string; epoch: number } | undefined>
  /** History, then what comes. Ends with `Moved` when the log's plugin is reloaded: go on from your cursor. */
  tail(query: { aggregate: string; after?: string | number }): AsyncIterable<StoredEvent>
  /** Takes execution ownership: epoch + 1. Refused (`eventlog.owned`) while another live process holds it. */
  claim(aggregate: string, owner: string): Promise<{ epoch: number }>
  release(aggregate: string, epoch: number): Promise<void>
  /** This process's owner id; it dies with the process, and others can see that. */
  runtime(): Promise<string>
  /** Empties a projection's tables and replays every event through it. `damaged`: aggregates that end, for it, before an event that cannot be read. */
  rebuild(projection: string): Promise<{ events: number; damaged: string[] }>
  /** Takes an aggregate as a replica, made with `create` where it is missing: until it is released only `owner` adds to it, by `replicate`. Excludes execution, both ways (`eventlog.owned`, `eventlog.replica`). */
  claimReplay(aggregate: string, owner: string, create?: { kind: string; logId: string }): Promise<void>
  /** Verbatim, all or none. What is there is compared (`eventlog.divergent`), a hole is `eventlog.gap`. Read models take part; followers get the events, nobody else is told. */
  replicate(aggregate: string, owner: string, events: readonly Replicated[]): Promise<{ head: number }>
  /** From here on it is an aggregate like others. */
  releaseReplay(aggregate: string, owner: string): Promise<void>
  /** All of it: events, receipts, rows of read models. Refused while another process works on it (`eventlog.owned`); who follows it gets `eventlog.unknown`. Its blobs stay until they are pruned. */
  remove(aggregate: string): Promise<void>
}

declare module "graft" {
  interface Services { eventlog: EventLog }
  interface Slots { projection: Projection; upcast: Upcast }
  interface Events { "eventlog.appended": Notify<{ aggregate: string; head: number; types: string[] }> }
}
