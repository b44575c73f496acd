/** An evaluation: one run of a plugin's module graph, waiting to become a generation. A generation never shares one. */
import type { Definition } from "../instance.ts"
import * as errors from "../errors.ts"
import { KernelError } from "../errors.ts"
import { definePlugin } from "../instance.ts"
import { locationOf } from "../registry/realm.ts"
import { sha256 } from "./files.ts"
import { ModuleGraph, type Admitted, type Place, type Workshop } from "./modules.ts"

export interface Evaluation {
  readonly entry: string
  readonly definition: Definition<never, never>
  /** Path → hash; empty for a plugin that was put without a file. */
  readonly files: ReadonlyMap<string, string>
  readonly sources: ReadonlyMap<string, string>
  readonly hash: string
  /** What its author should know, e.g. that a package cannot be reloaded. */
  readonly notes: readonly string[]
  /** Has any byte of the closure changed, or could a failed import be resolved now? */
  stale(): boolean
  /** Files and directories whose change may make it so. */
  watch(): string[]
  locate(error: unknown): Place | undefined
  /** From here on, `import { graft } from "graft"` in any of its files is this instance. */
  bind(instance: object): void
}

/** Loading failed: what was read is remembered, so that any change of it is a retry. */
export class LoadFailure extends KernelError {
  readonly place: Place | undefined
  readonly stale: () => boolean
  readonly watch: readonly string[]
  constructor(error: unknown, graph: ModuleGraph, stale: () => boolean) {
    super("Invalid", errors.messageOf(error), { cause: error })
    this.place = graph.locate(error)
    this.stale = stale
    this.watch = graph.watched()
  }
}

/** `watch` hears at once how to tell that what is being read has changed; `admitted` and `kept` are those of `ModuleGraph`. */
export async function evaluate({ entry, kind }: { entry: string; kind: string }, workshop: Workshop, watch: (stale: () => boolean) => void, admitted?: Admitted, kept?: ReadonlyMap<string, string>): Promise<Evaluation> {
  let bound: object | undefined
  const graft = new Proxy(Object.create(null) as object, {
    get(_, name) {
      if (bound) return Reflect.get(bound, name)
      if (typeof name === "symbol" || name === "then") return undefined
      throw new KernelError("NotLive", `graft.${name} was used while the module was still being evaluated; use it from setup on`)
    },
  })
  const graph = new ModuleGraph(entry, workshop, kind === "built-in", { graft, definePlugin, locationOf, ...errors }, admitted, kept)
  const stale = () => [...graph.files].some(([path, hash]) => (workshop.files.hash(path) ?? "") !== hash) || graph.repackaged() || graph.reappeared()
  watch(stale)
  try {
    const exports = await graph.evaluate()
    const definition = definitionOf(exports, entry)
    for (const asset of definition.assets ?? []) graph.asset(asset)
    return {
      entry, definition, files: graph.files, sources: graph.sources, notes: graph.notes, stale, watch: () => graph.watched(),
      hash: sha256(JSON.stringify([[...graph.files].sort(), [...graph.packages].sort()])).slice(0, 16),
      locate: (error) => graph.locate(error),
      bind: (instance) => { bound = instance },
    }
  } catch (error) {
    throw new LoadFailure(error, graph, stale)
  }
}

/** A plugin without a file; its entry is its identity. */
export function inline(entry: string, definition: Definition<never, never>): Evaluation {
  return { entry, definition, files: new Map(), sources: new Map(), notes: [], hash: entry, stale: () => false, watch: () => [], locate: () => undefined, bind: () => {} }
}

const FIELDS: Record<string, string> = { engines: "string", per: "string", needs: "array", options: "object", events: "object", slots: "object", state: "object", assets: "array", setup: "function" }

/** The shape of a definition, said field by field. */
export function definitionOf(exports: Record<string, unknown>, entry: string): Definition<never, never> {
  const value = exports.default
  const wrong = (what: string) => new KernelError("Invalid", `${entry}: ${what}`)
  if (typeof value === "function") return { setup: value as Definition["setup"] }
  if (value === undefined) throw wrong("no default export: end the file with `export default definePlugin({ setup(graft) { … } })`")
  if (value === null || typeof value !== "object") throw wrong(`the default export is ${value === null ? "null" : typeof value}, not a plugin definition`)
  for (const [field, found] of Object.entries(value)) {
    const wanted = FIELDS[field]
    if (!wanted) throw wrong(`unknown field "${field}" in the definition; known are ${Object.keys(FIELDS).join(", ")}`)
    const kind = Array.isArray(found) ? "array" : typeof found
    if (found !== undefined && kind !== wanted && !(field === "options" && kind === "function")) throw wrong(`"${field}" is ${kind}, not ${wanted}`)
  }
  const definition = value as Definition<never, never>
  if (!definition.setup) throw wrong('the definition has no "setup"')
  if (definition.per !== undefined && definition.per !== "process" && definition.per !== "location") throw wrong(`"per" is "${String(definition.per)}", not "process" or "location"`)
  return definition
}
