import type { Mutate, Notify, Schema } from "graft"

/** One top-level key of the config, owned by the plugin that reads it. Unknown keys warn and disable only themselves. */
export interface ConfigSection { id: string; schema: Schema; description: string; /** When a change takes hold: at once, at the next turn, or at restart. */ live?: "now" | "next-turn" | "restart"; /** A project's own file may set it before that project is trusted. Default false. */ safe?: boolean }

export type Layer = "default" | "managed" | "user" | "project" | "env" | "flag"
/** `file`: where it stands; of the environment, the variable. `from`: the other program whose file that is. `by`: the plugin@gen whose `config.load` set it in the place of that layer. */
export interface Origin { layer: Layer; file?: string; line?: number; from?: string; value: unknown; by?: string }
export interface Explanation { path: string; value: unknown; winner?: Origin; losers: Origin[]; live: "now" | "next-turn" | "restart" }
export interface ConfigWarning { file?: string; line?: number; path: string; message: string; suggestion?: string }
/** A leaf before and now, absent where it was or is not set; secrets are masked. */
export interface ConfigChange { path: string; before?: unknown; after?: unknown }

/**
 * Files of another program, read in place: what they say lies directly below one's own files of the same layer, the user's
 * or the project's. The switch `compat.<from>` turns them off; a project's file only those of that project.
 */
export interface ConfigSource {
  id: string
  /** The other program. */
  from: string
  /** Absolute paths, the later over the earlier: the user's without a location, else that project's. */
  files(location?: string): readonly string[]
  /** What a text says in Graft's own keys; pure. `line`: where that is said. Keys that nobody owns are left out in silence. */
  read(text: string, place: { file: string; location?: string }): Promise<SourceReading>
}
export type SourceReading = { tree: Readonly<Record<string, unknown>>; line(keys: readonly string[]): number | Promise<number> } | { line: number; message: string }

/**
 * Layered JSONC: defaults < managed < user < project (from the repository's top down, graft.jsonc and then
 * .graft/config.jsonc of each directory) < env (GRAFT_CONFIG, GRAFT_CONFIG_CONTENT, GRAFT_CONFIG_<PATH>) < flags. Objects
 * merge; arrays and scalars replace. A path is dotted; a dot inside a key is written `\.`. Errors: `config.path` (no path),
 * `config.variable` (unset, or a file that cannot be read), `config.broken` (a file that cannot be parsed is not edited),
 * `config.value` (its section refuses it), `config.unwritable`, `config.busy`, `config.location` (a project's layer without
 * a project).
 */
export interface Config {
  /** The value at a dotted path, as a location sees it (absent: the process's). `{env:X}` and `{file:x}` stay references. */
  get<T = unknown>(path: string, location?: string): Promise<T | undefined>
  /** Resolves `{env:NAME}` (`{env:NAME:-default}`) and `{file:path}` in a string; an unset one throws `config.variable` with file:line. */
  expand(text: string, location?: string): Promise<string>
  /** For people: secrets are masked. */
  explain(path: string, location?: string): Promise<Explanation>
  /** Edits the file of a layer, keeping comments and order; refuses a file it cannot parse. `undefined` takes the key out. */
  set(path: string, value: unknown, where?: { layer?: "user" | "project"; location?: string }): Promise<{ file: string; line: number }>
  warnings(location?: string): Promise<ConfigWarning[]>
  /** Values of the highest layer, from the command line; they replace those of the call before. */
  flags(values: Record<string, unknown>): Promise<void>
  /** JSON Schema of the whole file, from the sections' schemas (with a location: those of its plugins too). `write`: also beside the user's config, where `"$schema": "./config.schema.json"` finds it and keeps it current. */
  schema(location?: string, options?: { write?: boolean }): Promise<Record<string, unknown>>
  /** Every file that is or would be read, the lowest first, as the disk is now. */
  files(location?: string): Promise<{ layer: Layer; file: string; from?: string; there: boolean }[]>
}

declare module "graft" {
  interface Services { config: Config }
  interface Slots { configSection: ConfigSection; configSource: ConfigSource }
  interface Events {
    /** `paths` are dotted leaves whose effective value changed; `changes` says of the first 100 what they were and are. Without a location: the process's, which every project sees as well. */
    "config.changed": Notify<{ paths: string[]; changes?: ConfigChange[]; location?: string }>
    "config.warned": Notify<ConfigWarning>
    /** The merged tree before it is validated. */
    "config.load": Mutate<{ tree: Record<string, unknown>; location?: string }>
  }
}
