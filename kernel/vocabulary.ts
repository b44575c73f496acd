/**
 * The three vocabularies, open to everyone by module augmentation. A plugin that adds a word to one of them
 * writes `declare module "graft" { interface Services { … } }` in its contract.ts; whoever sees that file is typed.
 */
import type { StandardSchemaV1 } from "@standard-schema/spec"

/** A schema of any library that speaks Standard Schema (valibot, zod, arktype …). */
export type Schema<T = unknown> = StandardSchemaV1<unknown, T>

/** Told, never awaited. Facts: `noun.verbed`. */
export interface Notify<P> { kind: "notify"; payload: P }
/** Each listener gets an immer draft; a draft that throws, times out or fails the schema is thrown away alone. */
export interface Mutate<V> { kind: "mutate"; value: V }
/** Listeners are asked in order; the first answer that is not `undefined` wins. */
export interface Decide<Q, A> { kind: "decide"; ask: Q; answer: A }

/** One live provider a realm, late-bound. Every member is a method that returns a Promise or an AsyncIterable of plain data. */
export interface Services {}

/** Many contributors, ordered. `graft.<slot>.register(item)` adds one. */
export interface Slots {}

/** What can be told, mutated or decided. The kernel's own words are these; everything else is added by plugins. */
export interface Events {
  /** A plugin became live that was not live before. */
  "plugin.loaded": Notify<PluginFact>
  /** A new generation took over from a live one. */
  "plugin.reloaded": Notify<PluginFact & { previous: number; milliseconds: number }>
  /** A candidate failed; what was live before, if anything, goes on. */
  "plugin.failed": Notify<PluginFact & { phase: string; message: string; frame?: string; kept?: number }>
  /** A plugin waits: for a service, or for consent. */
  "plugin.waiting": Notify<PluginFact & { reason: string }>
  /** A live generation was undone to the last good one. */
  "plugin.reverted": Notify<PluginFact & { reason: string }>
  /** A plugin is gone: its file was deleted, or it was disabled. */
  "plugin.removed": Notify<PluginFact & { reason: string }>
  /** A plugin wrote a line with `graft.log`. */
  "plugin.logged": Notify<LogEntry>
  /** A project's realm opened, or closed ten minutes after its last lease. */
  "location.opened": Notify<{ location: string }>
  "location.closed": Notify<{ location: string }>
  /** A handler, method, timer or fork of a plugin threw, timed out or left a rejection unhandled. */
  "kernel.fault": Notify<Fault>
  /** May this content be compiled and evaluated? Asked for roots marked `guarded`; no answer is no. */
  "plugin.admit": Decide<AdmitAsk, AdmitVerdict>
}

/** `graft`-wide identity of one activation. `gen` counts per plugin and realm, from 1; 0 where none came to be. */
export interface PluginFact { plugin: string; gen: number; realm: string; file?: string }

export interface LogEntry { at: number; plugin: string; gen: number; realm: string; level: "debug" | "info" | "warn" | "error"; text: string }

/** `kind` says how it went wrong; `where` is file:line in the author's own source when known. */
export interface Fault {
  plugin: string
  gen: number
  realm: string
  kind: "throw" | "timeout" | "rejection" | "teardown" | "dropped"
  during: string
  message: string
  where?: string
  frame?: string
}

/** `digest` is over every file below the plugin's folder (or the one file), and what its root shares (`_…`); nothing was compiled yet. */
export interface AdmitAsk { plugin: string; realpath: string; root: string; digest: string; files: string[] }
/** A yes is for these bytes and imports of nothing else; `below`: also for whatever lies below that directory. */
export type AdmitVerdict = { admit: true; below?: string } | { admit: false; reason: string }

/** The names of all events of one kind. */
export type Of<K extends string> = { [E in keyof Events]: Events[E] extends { kind: K } ? E : never }[keyof Events]
/** One field of an event's declaration. */
export type Field<E extends keyof Events, F extends string> = Events[E] extends Record<F, infer X> ? X : never

/** The same for the types of handlers: unlike `Field`, it lets a handler's literals be what they are. */
export type At<E extends keyof Events, F extends string> = Events[E][F & keyof Events[E]]

export type ServiceName = keyof Services & string
export type SlotName = keyof Slots & string
export type EventName = keyof Events & string
