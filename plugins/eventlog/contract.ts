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
}

/** How data of version `from` reads in the next version. Pure. Applied whenever an event is read or projected again; types that nobody knows pass as they are. */
export interface Upcast { type: string; from: number; upcast(data: Json): Json }

/**
 * Errors carry `code`: `eventlog.fenced` (another owner took over, or there was no epoch where one is needed),
 * `eventlog.owned`, `eventlog.replica`, `eventlog.divergent`, `eventlog.conflict`, `eventlog.unknown` (no such aggregate or
 * projection), `eventlog.cursor` (other log, or ahead of head), `eventlog.invalid`, `eventlog.projection` and
 * `eventlog.upcast` (one threw); and those of the store.
 */
export interface EventLog {
  /** When one of an owner's appends is refused, those that it had already made after it are refused with the same error. */
  append(batch: Append): Promise<Appended>
  /** `after` is an exclusive cursor `logId:seq` (or a bare seq); default the start; `limit` default 512, at most 4,096. */
  read(query: { aggregate: string; after?: string | number; limit?: number; types?: readonly string[] }): Promise<Page>
  head(aggregate: string): Promise<{ seq: number; cursor: string; epoch: number } | undefined>
  /** History, then what comes. Ends with `Moved` when the log's plugin is reloaded: go on from your cursor. */
  tail(query: { aggregate: string; after?: string | number }): AsyncIterable<StoredEvent>
  /** Takes execution ownership: epoch + 1. Refused (`eventlog.owned`) while another live process holds it. */
  claim(aggregate: string, owner: string): Promise<{ epoch: number }>
  release(aggregate: string, epoch: number): Promise<void>
  /** This process's owner id; it dies with the process, and others can see that. */
  runtime(): Promise<string>
  /** Empties a projection's tables and replays every event through it. */
  rebuild(projection: string): Promise<{ events: number }>
}

declare module "graft" {
  interface Services { eventlog: EventLog }
  interface Slots { projection: Projection; upcast: Upcast }
  interface Events { "eventlog.appended": Notify<{ aggregate: string; head: number; types: string[] }> }
}
