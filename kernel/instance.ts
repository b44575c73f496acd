/**
 * The instance: the argument of `setup`, what `import { graft } from "graft"` gives in any file of a plugin, and
 * what an embedding program gets from `createKernel`. The whole API of a plugin author stands in this file.
 */
import type { Draft, Patch } from "immer"
import type { At, Field, Of, Schema, ServiceName, Services, SlotName, Slots } from "./vocabulary.ts"
import type { Control } from "./control.ts"

/** What a handler learns besides the payload. `location` is absent for what concerns the process. `by` is `plugin@gen`. */
export interface Meta { event: string; location?: string; by: string; at: number }

export interface ListenOptions {
  /** Lower runs first; default 0. Ties: root, plugin id, declaration. */
  order?: number
  /** Milliseconds one run may take; default 5,000 for mutate and decide, 30,000 for notify; `Infinity` only where a person is asked. */
  deadline?: number
}

/** Undoes one registration. Calling it again does nothing. */
export type Remove = () => void
export type Cleanup = () => void | Promise<void>

/** One live row of a slot. `run` enters its owner's attribution: faults are the owner's, not the caller's. */
export interface Row<T> { readonly key: string; readonly item: T; readonly owner: string; run<R>(work: () => R): R }
export interface RowChange<T> { added: Row<T>[]; updated: { from: Row<T>; to: Row<T> }[]; removed: Row<T>[] }
/** Rows held still: the generations that own them are leased until disposed. */
export interface Pinned<T> extends Disposable { readonly rows: readonly Row<T>[]; get(key: string): Row<T> | undefined }

/** A live, ordered view of a slot, as seen from one realm (a location sees the root's rows too). */
export interface Board<T> extends Iterable<T> {
  get(key: string): T | undefined
  rows(): readonly Row<T>[]
  pin(): Pinned<T>
  /** Called after each commit that changed this slot, with exactly what changed. Owned by the calling generation. */
  onChange(listener: (change: RowChange<T>) => void): Remove
}

/** State in memory that survives a reload: one per plugin and realm. */
export interface StateCell<S> { readonly value: S; update(recipe: (draft: Draft<S>) => void | S): void }

export interface Log { debug(...parts: unknown[]): void; info(...parts: unknown[]): void; warn(...parts: unknown[]): void; error(...parts: unknown[]): void }

/** Who changed what in one `mutate`. */
export interface Contribution { by: string; patches: Patch[] }

/** No service may take one of these words. Whoever asks nothing of the state takes any plugin's instance: so `S` is any. */
export interface Words<S = any, O = unknown> {
  /** This plugin's id, generation number, and the real path of its project (undefined for what is per process). */
  readonly id: string
  readonly gen: number
  readonly location: string | undefined
  readonly log: Log
  /** Aborts when the drain deadline of this generation has passed. */
  readonly signal: AbortSignal
  /** Aborts at once when this generation starts to retire: endless tails end with `Moved`. */
  readonly retiring: AbortSignal
  readonly state: StateCell<S>
  readonly options: O
  readonly kernel: Control

  /** Listens. In a location's realm: to that location and to the process; at the root: to everything told anywhere. "*" hears all that is told. */
  on<E extends Of<"decide">>(event: E, handler: (ask: At<E, "ask">, meta: Meta) => At<E, "answer"> | undefined | Promise<At<E, "answer"> | undefined>, options?: ListenOptions): Remove
  on<E extends Of<"notify">>(event: E, handler: (payload: At<E, "payload">, meta: Meta) => unknown, options?: ListenOptions): Remove
  on<E extends Of<"mutate">>(event: E, handler: (draft: Draft<At<E, "value">>, meta: Meta) => void | Promise<void>, options?: ListenOptions): Remove
  on(event: "*", handler: (payload: unknown, meta: Meta) => unknown, options?: ListenOptions): Remove
  /** Tells and returns at once. In setup: delivered after commit. */
  emit<E extends Of<"notify">>(event: E, payload: Field<E, "payload">): void
  /** Passes immer drafts to the listeners in order; the result is frozen. */
  mutate<E extends Of<"mutate">>(event: E, value: Field<E, "value">): Promise<{ value: Field<E, "value">; patches: Contribution[] }>
  /** The first answer, or `undefined` when nobody answered. */
  decide<E extends Of<"decide">>(event: E, ask: Field<E, "ask">): Promise<Field<E, "answer"> | undefined>

  provide<K extends ServiceName>(service: K, implementation: Omit<Services[K], "register">): void
  use<K extends ServiceName>(service: K): Services[K]
  add<K extends SlotName>(slot: K, items: Slots[K] | Slots[K][], options?: { key?: string; order?: number }): Remove
  all<K extends SlotName>(slot: K): Board<Slots[K]>
  /** The same instance seen from a project's realm, which opens lazily and stays leased until disposed: `using p = await graft.at(dir)`. */
  at(location: string): Promise<Graft<S, O> & Disposable>

  /** A live resource handed from generation to generation. `key` holds whatever makes it exclusive (host:port, path). */
  keep<R>(name: string, key: string, acquire: () => R | Promise<R>, release: (resource: R) => void | Promise<void>, options?: { exclusive?: boolean }): Promise<R>
  /** Without a listener (or when it returns "reload") changed options reload the plugin. */
  onOptions(listener: (next: O, previous: O) => "reload" | void): void
  onCommit(work: () => void | Promise<void>): void
  /** Runs when this generation closes: last in, first out, each bounded. */
  defer(cleanup: Cleanup): void
  /** Work in the background from commit on; its signal aborts with this generation. `hold`: a retiring generation waits for it, at most ten minutes. */
  fork(work: (signal: AbortSignal) => Promise<void>, options?: { hold?: boolean }): void
  every(milliseconds: number, work: () => void | Promise<void>): Remove
  timeout(milliseconds: number, work: () => void | Promise<void>): Remove
}

/** Slots whose name is no service still register by their name. */
type Registers = { readonly [K in Exclude<keyof Slots, keyof Services>]: { register(item: Slots[K]): Remove } }

export type Graft<S = any, O = unknown> = Words<S, O> & { readonly [K in keyof Services]: Services[K] } & Registers

export interface StateDefinition<S> { version: number; schema?: Schema<S>; init(): S; migrate?(old: unknown, from: number): S }

/** Policy of an event, declared by its owner. */
export interface EventPolicy {
  schema?: Schema
  /** Pending deliveries a subscriber may pile up; the oldest is dropped and counted. Default 1,000. */
  cap?: number
  /** Pending deliveries with the same key are merged, the latest payload wins. */
  coalesce?(payload: never): string
  deadline?: number
}
export interface SlotPolicy { key?(item: never): string; schema?: Schema }

/** What a plugin file exports by default. */
export interface Definition<S = unknown, O = unknown> {
  /** Range of the kernel's API version that this plugin was written for, e.g. "^0.1". */
  engines?: string
  /** Default: that of the built-in whose id it takes, else "location" (built-ins: "process"). */
  per?: "process" | "location"
  /** Services without which setup does not run. What setup calls is observed anyway. */
  needs?: readonly string[]
  /** Schema of `plugins.<id>` in the config. */
  options?: Schema<O>
  events?: Record<string, EventPolicy>
  slots?: Record<string, SlotPolicy>
  state?: StateDefinition<S>
  /** Files that belong to this plugin besides what it imports, relative to its entry. */
  assets?: readonly string[]
  setup(graft: Graft<S, O>): void | Cleanup | Promise<void | Cleanup>
}

/** Types a definition. A bare function is a definition that is only `setup`. */
export function definePlugin<S = unknown, O = unknown>(definition: Definition<S, O> | Definition<S, O>["setup"]): Definition<S, O> {
  return typeof definition === "function" ? { setup: definition } : definition
}
