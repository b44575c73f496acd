/** An evaluation: one run of a plugin's module graph, waiting to become a generation. A generation never shares one. */
import type { Definition } from "../instance.ts"
import * as errors from "../errors.ts"
import { KernelError } from "../errors.ts"
import { definePlugin } from "../instance.ts"
import { locationOf } from "../registry/realm.ts"
import { sha256 } from "./files.ts"
import { leg } from "./leg.ts"
import { ModuleGraph, type Admitted, type Place, type Workshop } from "./modules.ts"
import type { Candidate, Good } from "./unit.ts"

export class Evaluation {
  readonly entry: string
  /** Checked, and with a hash over the whole closure, once `evaluate` has ended. */
  definition: Definition<never, never>
  hash: string
  readonly #candidate: Candidate
  readonly #kept: Good | undefined
  readonly #workshop: Workshop
  readonly #graph: ModuleGraph
  #ended: Promise<void> | undefined
  #instance: object | undefined

  /** `kept`: an earlier closure that stands for what is on disk now. */
  constructor(candidate: Candidate, workshop: Workshop, admitted?: Admitted, kept?: Good) {
    this.entry = this.hash = candidate.entry
    this.definition = candidate.definition!
    this.#candidate = candidate
    this.#kept = kept
    this.#workshop = workshop
    const graft = new Proxy(Object.create(null) as object, {
      get: (_, name) => {
        if (this.#instance) return Reflect.get(this.#instance, name)
        if (typeof name === "symbol" || name === "then") return undefined
        throw new KernelError("NotLive", `graft.${name} was used while the module was still being evaluated; use it from setup on`)
      },
    })
    this.#graph = new ModuleGraph({ entry: this.entry, workshop, bundled: candidate.kind === "built-in", face: { graft, definePlugin, locationOf, ...errors }, admitted, kept: kept?.sources, lent: candidate.adapter?.modules })
  }

  evaluate(): Promise<void> { return (this.#ended ??= this.#evaluate()) }

  async #evaluate(): Promise<void> {
    const { definition, adapter } = this.#candidate
    const exports = definition ? { default: definition } : await this.#graph.evaluate()
    this.definition = definitionOf(adapter ? { default: await adapter.define(exports, this.entry) } : exports, this.entry)
    for (const asset of this.definition.assets ?? []) this.#graph.asset(asset)
    if (!definition) this.hash = this.#kept?.hash ?? sha256(JSON.stringify([[...this.files].sort(), [...this.#graph.packages].sort()])).slice(0, 16)
  }

  /** Path → hash; empty for a plugin that was put without a file. */
  get files(): ReadonlyMap<string, string> { return this.#graph.files }
  get sources(): ReadonlyMap<string, string> { return this.#graph.sources }
  /** A first leg of its code. What was made at build time was run by the tests, and is spared the bound, which costs 0.2 ms. */
  leg<T>(what: string, work: () => T): T { return this.#graph.shipped && this.files.size > 0 ? work() : leg(what, work) }
  /** What its author should know, e.g. that a package cannot be reloaded. */
  get notes(): readonly string[] { return this.#graph.notes }
  /** Files and directories whose change may make it stale. */
  get watched(): string[] { return this.#graph.watched() }

  /** Has any byte of the closure changed, or could a failed import be resolved now? */
  stale(): boolean {
    return [...this.files].some(([path, hash]) => (this.#workshop.files.hash(path) ?? "") !== hash) || this.#graph.relinked() || this.#graph.repackaged() || this.#graph.reappeared()
  }

  /** Services that its source names, and by custom its own id: what it provides, or would if it could. */
  get offers(): string[] {
    return [this.#candidate.id, ...this.#graph.provides]
  }

  locate(error: unknown): Place | undefined { return this.#graph.locate(error) }

  /** From here on, `import { graft } from "graft"` in any of its files is this instance. */
  bind(instance: object): void { this.#instance = instance }
}

const FIELDS: Record<string, string> = { engines: "string", per: "string", needs: "array", options: "object", events: "object", slots: "object", state: "object", assets: "array", setup: "function" }

/** The shape of a definition, said field by field. */
function definitionOf(exports: Record<string, unknown>, entry: string): Definition<never, never> {
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
