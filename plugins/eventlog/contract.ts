import type { Notify } from "graft"
import type { Migration, Statement } from "../store/contract.ts"

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json | undefined }

export interface NewEvent { type: string; version?: number; data: Json; /** Prefixed, sortable; made when absent. The same id with the same content is a no-op, with other content `eventlog.divergent`. */ id?: string; causation?: string; correlation?: string }

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
export interface Appended { first: number; last: number; cursor: string; /** The command had been done before; nothing was appended. */ repeated: boolean }
export interface Page { events: StoredEvent[]; next: string; head: number }

/** A read model: tables made by `migrations`, kept by `project`, in the transaction of the append. */
export interface Projection {
  id: string
  types: readonly string[]
  migrations: readonly Migration[]
  /** Names of the tables it owns, emptied before a rebuild. */
  tables: readonly string[]
  /** Pure: reads nothing, gives the writes. */
  project(event: StoredEvent): readonly Statement[]
}

/** Errors carry `code`: `eventlog.fenced`, `eventlog.replica`, `eventlog.divergent`, `eventlog.conflict`, `eventlog.unknown` (no such aggregate), `eventlog.cursor` (other log, or ahead of head). */
export interface EventLog {
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
  interface Slots { projection: Projection }
  interface Events { "eventlog.appended": Notify<{ aggregate: string; head: number; types: string[] }> }
}
