import type { Mutate, Notify, Schema } from "graft"

/** One top-level key of the config, owned by the plugin that reads it. Unknown keys warn and disable only themselves. */
export interface ConfigSection { id: string; schema: Schema; description: string; /** When a change takes hold: at once, at the next turn, or at restart. */ live?: "now" | "next-turn" | "restart"; /** A project's own file may set it before that project is trusted. Default false. */ safe?: boolean }

export type Layer = "default" | "user" | "project" | "env" | "flag"
/** `file`: where it stands; of the environment, the variable. `by`: the plugin@gen whose `config.load` set it in the place of that layer. */
export interface Origin { layer: Layer; file?: string; line?: number; value: unknown; by?: string }
export interface Explanation { path: string; value: unknown; winner?: Origin; losers: Origin[]; live: "now" | "next-turn" | "restart" }
export interface ConfigWarning { file?: string; line?: number; path: string; message: string; suggestion?: string }

/**
 * Layered JSONC: defaults < user < project < env (GRAFT_CONFIG_<PATH>) < flags. Objects merge; arrays and scalars replace.
 * A path is dotted; a dot inside a key is written `\.`. Errors: `config.path` (no path), `config.variable` (unset, or a
 * file that cannot be read), `config.broken` (a file that cannot be parsed is not edited), `config.value` (its section
 * refuses it), `config.unwritable`, `config.busy`, `config.location` (a project's layer without a project).
 */
export interface Config {
  /** The value at a dotted path, as a location sees it (absent: the process's). `{env:X}` and `{file:x}` stay references. */
  get<T = unknown>(path: string, location?: string): Promise<T | undefined>
  /** Resolves `{env:NAME}` (`{env:NAME:-default}`) and `{file:path}` in a string; an unset one throws `config.variable` with file:line. */
  expand(text: string, location?: string): Promise<string>
  explain(path: string, location?: string): Promise<Explanation>
  /** Edits the file of a layer, keeping comments and order; refuses a file it cannot parse. `undefined` takes the key out. */
  set(path: string, value: unknown, where?: { layer?: "user" | "project"; location?: string }): Promise<{ file: string; line: number }>
  warnings(location?: string): Promise<ConfigWarning[]>
  /** Values of the highest layer, from the command line; they replace those of the call before. */
  flags(values: Record<string, unknown>): Promise<void>
  /** JSON Schema of the whole file, from the sections' schemas (with a location: those of its plugins too). */
  schema(location?: string): Promise<Record<string, unknown>>
}

declare module "graft" {
  interface Services { config: Config }
  interface Slots { configSection: ConfigSection }
  interface Events {
    /** `paths` are dotted leaves whose effective value changed. Without a location: the process's, which every project sees as well. */
    "config.changed": Notify<{ paths: string[]; location?: string }>
    "config.warned": Notify<ConfigWarning>
    /** The merged tree before it is validated. */
    "config.load": Mutate<{ tree: Record<string, unknown>; location?: string }>
  }
}
