/** What disk, config and the embedding program want to be live: where each plugin comes from, in which kind of realm, with which options. */
import { existsSync, realpathSync } from "node:fs"
import { isAbsolute, join } from "node:path"
import type { Root } from "../control.ts"
import { definePlugin, type Definition } from "../instance.ts"
import { KernelError } from "../errors.ts"
import type { KernelOptions } from "../kernel.ts"
import type { Realm } from "../registry/realm.ts"
import { discover, RANKS } from "./discover.ts"
import { Evaluation } from "./evaluation.ts"
import type { Admitted, Workshop } from "./modules.ts"
import type { Candidate, Unit } from "./unit.ts"

type Kind = "process" | "location"
const kindOf = (realm: Realm): Kind => (realm.location === undefined ? "process" : "location")

export class Wants {
  roots: Root[]
  readonly disabled = new Map<string, string>()
  /** Options by realm id, then plugin id. */
  readonly blocks = new Map<string, Record<string, unknown>>()
  readonly #workshop: Workshop
  readonly #locations: ReadonlyMap<string, Realm>
  readonly #leftOut: (id: string) => boolean
  #found = new Map<string, Candidate[]>()
  /** By entry: whom the plugin is for and with what, learnt when it was last evaluated. */
  readonly #learnt = new Map<string, { kind: Kind; offers: readonly string[] }>()
  /** Evaluations made to learn that, for the first realm that wants one. */
  readonly #spare = new Map<string, Evaluation>()
  #serial = 0

  constructor(workshop: Workshop, locations: ReadonlyMap<string, Realm>, { roots = [], only, skip, config }: KernelOptions) {
    this.#workshop = workshop
    this.#locations = locations
    this.roots = [...roots]
    this.#leftOut = (id) => skip?.includes(id) === true || (only !== undefined && !only.includes(id))
    if (config?.plugins) this.blocks.set("root", config.plugins as Record<string, unknown>)
  }

  /** Looks at the roots; gives the ids of which a file is gone. */
  look(): Set<string> {
    const found = discover(this.roots, [...this.#locations.keys()])
    const gone = [...this.#found].filter(([id, list]) => list.some((old) => !found.get(id)?.some(({ entry }) => entry === old.entry)))
    this.#found = found
    return new Set(gone.map(([id]) => id))
  }

  /** The places a unit's plugin may come from, the strongest first: put, project, user, package, built-in. */
  candidates({ id, realm, put }: Unit): Candidate[] {
    const found = (this.#found.get(id) ?? []).filter((candidate) => this.#fits(candidate, realm))
    // A file that is disabled makes way for what it shadows; where all are, the first one's reason is the refusal.
    const enabled = found.filter(({ entry }) => !this.disabled.has(entry))
    return [...(put ? [put] : []), ...(enabled.length > 0 ? enabled : found)]
  }

  idsFor(realm: Realm): string[] {
    return [...this.#found].filter(([, list]) => list.some((candidate) => this.#fits(candidate, realm))).map(([id]) => id)
  }

  /** Until a plugin was evaluated once, the root tries it. */
  #fits(candidate: Candidate, realm: Realm): boolean {
    if (candidate.location !== undefined) return candidate.location === realm.location
    return (this.#learnt.get(candidate.entry)?.kind ?? candidate.per ?? "process") === kindOf(realm)
  }

  /** Learns whom an evaluated plugin is for. "moved": it is not for this unit's kind of realm, and never was before. */
  belongs({ id, realm }: Unit, candidate: Candidate, evaluation: Evaluation): "here" | "elsewhere" | "moved" {
    if (candidate.definition) return "here"
    const builtIn = this.#found.get(id)?.find(({ kind, entry }) => kind === "built-in" && entry !== candidate.entry)
    const shadowed = builtIn && this.#learnt.get(builtIn.entry)?.kind
    if (candidate.location !== undefined) {
      if (shadowed === "process") throw new KernelError("Refused", `${candidate.entry} has the id of the process-wide plugin "${id}", which a project cannot replace: rename the file`)
      return "here"
    }
    const kind = candidate.per ?? evaluation.definition.per ?? shadowed ?? (candidate.kind === "built-in" ? "process" : "location")
    const moved = this.#learnt.get(candidate.entry)?.kind !== kind
    this.#learnt.set(candidate.entry, { kind, offers: evaluation.offers })
    if (kind === kindOf(realm)) return "here"
    this.#spare.set(candidate.entry, evaluation)
    return moved ? "moved" : "elsewhere"
  }

  /** Is a service of this name known to be one of locations? */
  isPerLocation(service: string): boolean {
    return [...this.#learnt.values()].some(({ kind, offers }) => kind === "location" && offers.includes(service))
  }

  refusal(unit: Unit): string | undefined {
    if (!unit.put && this.#leftOut(unit.id)) return "left out at start"
    return this.disabled.get(unit.id) ?? this.disabled.get(this.candidates(unit)[0]?.entry ?? "") ?? (this.#block(unit) === false ? "disabled in the config" : undefined)
  }

  options(unit: Unit): unknown {
    const block = this.#block(unit)
    return typeof block === "boolean" ? undefined : block
  }

  #block({ id, realm }: Unit): unknown { return this.blocks.get(realm.id)?.[id] ?? this.blocks.get("root")?.[id] }

  /** Without a file, an entry is only a name for this very definition. */
  inline(id: string, definition: Definition<never, never>): Candidate {
    return { id, entry: `put:${id}#${++this.#serial}`, kind: "host", rank: RANKS.host, root: "", guarded: false, definition: definePlugin(definition) }
  }

  /** A new evaluation, or the one that was made to learn whom this candidate is for. */
  evaluation(candidate: Candidate, admitted?: Admitted): Evaluation {
    const spare = this.#spare.get(candidate.entry)
    this.#spare.delete(candidate.entry)
    return spare && !candidate.kept && !spare.stale() ? spare : new Evaluation(candidate, this.#workshop, admitted, candidate.kept)
  }

  /** The roots' directories, those of open locations included. */
  directories(): string[] {
    const dirs = this.roots.flatMap(({ dir }) => (isAbsolute(dir) ? [dir] : [...this.#locations.keys()].map((location) => join(location, dir))))
    return dirs.map((dir) => (existsSync(dir) ? realpathSync.native(dir) : dir))
  }
}
