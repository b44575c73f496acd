/**
 * `graft.kernel`: what policy plugins (watch, guard, trust, cli) and embedding programs act through. Everything
 * here is data or a verb; the kernel itself decides nothing about when to use them.
 */
import type { Definition } from "./instance.ts"
import type { LogEntry } from "./vocabulary.ts"

export type RootKind = "built-in" | "package" | "user" | "project"

/** A directory whose direct children are plugins. A relative `dir` is looked up in each location that opens; `guarded` asks `plugin.admit` first; `adapter`: they are written for another host. */
export interface Root { dir: string; kind?: RootKind; per?: "process" | "location"; location?: string; guarded?: boolean; adapter?: Adapter }

/** Makes a plugin of what a file for another host exports. `modules`: what that host lends, by import specifier; read when it is imported. */
export interface Adapter { define(exports: Record<string, unknown>, file: string): Definition | Promise<Definition>; modules?: Readonly<Record<string, Record<string, unknown>>> }

export type Status = "live" | "loading" | "waiting" | "failed" | "disabled" | "refused"

export interface GenerationView { gen: number; state: "staged" | "live" | "retiring" | "closed"; leases: number; hash: string; since: number; timers: number; forks: number; listeners: number; rows: number; cleanups: number }

export interface PluginView {
  id: string
  realm: string
  status: Status
  /** Why it is not live; never empty unless live. */
  reason: string
  file?: string
  root?: RootKind
  gen: number
  hash: string
  files: string[]
  services: string[]
  slots: Record<string, string[]>
  events: string[]
  /** Services without which it is not live; and all that it has asked for something so far. */
  needs: string[]
  uses: string[]
  calls: number
  errors: number
  crashes: number
  handlerMilliseconds: number
  dropped: number
  pinned: boolean
  generations: GenerationView[]
  kept: string[]
}

export interface RealmView { id: string; location?: string; leases: number; services: Record<string, string>; slots: Record<string, string[]>; plugins: PluginView[] }
export interface KernelView { version: string; realms: RealmView[] }

export type Outcome = "committed" | "unchanged" | "failed" | "waiting" | "refused" | "reverted" | "removed" | "disabled"

/** One transaction as it happened. Times are milliseconds a phase. */
export interface JournalEntry {
  at: number
  plugin: string
  realm: string
  gen: number
  cause: string
  outcome: Outcome
  phase?: string
  hash?: string
  message?: string
  where?: string
  frame?: string
  times: Partial<Record<"settle" | "load" | "stage" | "commit", number>>
}

/** What the embedding program said when it made the kernel. `dataDir`: everything private lives below it (default: the plugins' own choice); `config.plugins`: options by plugin id, until `configure` says otherwise. */
export interface Host { readonly dataDir?: string; readonly config?: Readonly<Record<string, unknown>> }

export interface Control {
  readonly version: string
  readonly host: Host
  /** Compares what disk and config want with what is live. Hints are paths whose bytes surely changed; `[]` rescans. Ends with the pass. */
  reconcile(hints?: readonly string[]): Promise<void>
  /** Nothing is loading, no hint is settling, no inbox holds an undelivered event. Rejects after `milliseconds` (default 10,000). */
  settled(milliseconds?: number): Promise<void>
  inspect(): KernelView
  /** The last 1,000 transactions, oldest first. */
  journal(plugin?: string): JournalEntry[]
  /** The last 1,000 lines that plugins logged, oldest first. */
  logs(plugin?: string): LogEntry[]
  /** Back to the last good closure before the live one; the present hash is refused until its bytes change. */
  undo(plugin: string, reason?: string, location?: string): Promise<void>
  /** Ignores changes on disk for this plugin until unpinned. */
  pin(plugin: string, pinned?: boolean): void
  /** By id, or by the path of one file: that file alone, so that what it shadows takes its place. */
  enable(plugin: string): Promise<void>
  disable(plugin: string, reason?: string): Promise<void>
  /** Adds a plugin without a file, at the root, or in the open realm of a location. */
  put(id: string, definition: Definition | Definition["setup"], location?: string): Promise<void>
  drop(id: string, location?: string): Promise<void>
  /** Options by plugin id for one realm (undefined: the root and every location's default); `false` disables. */
  configure(location: string | undefined, blocks: Record<string, unknown>): Promise<void>
  roots(): readonly Root[]
  /** Adds a directory of plugins; the remover takes its plugins away again. */
  addRoot(root: Root): Promise<() => Promise<void>>
  /** Locations that are open now. */
  locations(): string[]
  /** Every file and directory whose change may change what should be live. */
  watched(): string[]
}
