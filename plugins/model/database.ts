/**
 * The owner of the noun: folds what was touched, compares it with what it last told, and tells each real change once.
 * What it told lives in its state, so its own reload tells nothing.
 */
import type { Graft, Row } from "graft"
import type { Contributions, Gathered } from "./contributions.ts"
import type { Model, ModelDraft, ModelRow, Provenance, Provider, ProviderRow } from "./contract.ts"
import { compare, own } from "./diff.ts"
import { applyDrafts, below, trace, type DraftEditor, type Edit } from "./fold.ts"
import { modelOf, refOf, splitRef } from "./rows.ts"

/** What was told: providers by id, models by provider and id; and how long contexts are of which an overflow told, in the same way. */
export interface ModelState { providers: Record<string, Provider>; models: Record<string, Record<string, Model>>; learnt?: Record<string, Record<string, number>> }
export const emptyState = (): ModelState => ({ providers: {}, models: {} })

type Rows = Record<string, ModelRow>

export class Database {
  readonly #graft: Graft<ModelState>
  readonly #contributions: Contributions
  readonly #gathered = new Map<string, Gathered>()
  /** Providers to fold again, each with whoever is the cause. */
  readonly #touched = new Map<string, Set<string>>()
  /** Whoever is the cause that everything is to be folded again. */
  readonly #allTouched = new Set<string>()
  #draftsTouched = true
  #configTouched = true
  #edits: readonly Edit[] = []
  #work: Promise<void> | undefined
  #next = Promise.withResolvers<void>()

  constructor(graft: Graft<ModelState>, contributions: Contributions) {
    this.#graft = graft
    this.#contributions = contributions
    this.#allTouched.add(`${graft.id}@${graft.gen}`)
  }

  /** Hears of whatever can change a model. */
  listen(): void {
    const graft = this.#graft
    graft.all("model").onChange(({ added, updated, removed }) => {
      for (const row of [...added, ...updated.flatMap(({ from, to }) => [from, to]), ...removed]) for (const { provider } of [row.item].flat()) this.#touch(provider, row.owner)
      this.#soon()
    })
    graft.all("provider").onChange(({ added, updated, removed }) => {
      for (const row of [...added, ...updated.map(({ to }) => to), ...removed]) this.#touch(row.item.id, row.owner)
      this.#soon()
    })
    graft.all("modelDraft").onChange(() => {
      this.#draftsTouched = true
      this.#soon()
    })
    graft.on("llm.failed", ({ model, limit }) => (model !== undefined && limit !== undefined ? this.#learn(model, limit) : undefined))
    graft.on("config.changed", ({ paths }) => {
      if (!paths.some((path) => /^(providers|models)(\.|$)/.test(path))) return undefined
      this.#configTouched = true
      return this.settle()
    })
  }

  /** The catalogue is another one. */
  catalogueChanged(by: string): void {
    this.#contributions.forgetCatalogue()
    this.#allTouched.add(by)
    this.#soon()
  }

  /** An endpoint refused a request as too long, and said what fits: less than was known, or the first that is. */
  #learn(ref: string, limit: number): Promise<void> | undefined {
    const model = this.get(ref)
    if (!model || (model.limits?.context !== undefined && model.limits.context <= limit)) return undefined
    this.#graft.state.update((state) => { ((state.learnt ??= {})[model.provider] ??= {})[model.id] = limit })
    this.#graft.log.warn(`${ref} takes ${limit} tokens, ${model.limits?.context === undefined ? "which was not known" : `and not ${model.limits.context} as was known`}`)
    this.#touch(model.provider, "overflow")
    return this.settle()
  }

  #touch(provider: string, by: string): void {
    if (!this.#touched.has(provider)) this.#touched.set(provider, new Set())
    this.#touched.get(provider)!.add(by)
  }

  #soon(): void {
    this.settle().catch((error: unknown) => this.#graft.log.error("the models could not be folded:", error))
  }

  /** Ends when everything that was contributed so far is folded and told. A retiring generation folds nothing any more. */
  settle(): Promise<void> {
    if (this.#graft.retiring.aborted) return Promise.resolve()
    if (this.#contributions.overlayChanged()) this.#allTouched.add("models.jsonc")
    return (this.#work ??= this.#settle())
  }

  /** Ends with the next fold. */
  changed(): Promise<void> { return this.#next.promise }

  // ── what there is ───────────────────────────────────────────────────────────────────────────────────────────────

  /** Models of the providers that are ready, and what plugins and the user say of others. */
  models(): Model[] {
    return Object.values(this.#graft.state.value.models).flatMap((models) => Object.values(models))
  }

  /** And what the catalogue knows of the others: it is not read before somebody asks. */
  everyModel(): Model[] {
    const speakers = this.speakers()
    const shelved = new Set([...this.#contributions.catalogued()].filter((provider) => !speakers.get(provider)?.ready))
    const board = this.#contributions.board()
    const others = [...shelved].flatMap((provider) => Object.values(this.#contributions.gather(provider, { catalogue: true, board }).rows))
    return [...this.models().filter(({ provider }) => !shelved.has(provider)), ...others.map((row) => modelOf(row, speakers.get(row.provider), this.#contributions.policy))]
  }

  get(ref: string): Model | undefined {
    const split = splitRef(ref)
    if (!split) return undefined
    const { provider, id } = split
    const speaker = this.speakers().get(provider)
    const told = this.#told(split)
    if (told && (speaker?.ready || !this.#contributions.catalogued().has(provider))) return told
    const row = speaker?.ready ? undefined : own(this.#contributions.gather(provider, { catalogue: true }).rows, id)
    return row ? modelOf(row, speaker, this.#contributions.policy) : this.#variant(ref)
  }

  /** `provider/id:variant`. Ids may have colons of their own, so they are looked for first. */
  #variant(ref: string): Model | undefined {
    const at = ref.lastIndexOf(":")
    const [model, variant] = at > 0 ? [this.get(ref.slice(0, at)), ref.slice(at + 1)] : []
    return model && !model.variant && own(model.variants ?? {}, variant!) ? Object.freeze({ ...model, ref, variant }) : undefined
  }

  #told({ provider, id }: { provider: string; id: string }): Model | undefined {
    return own(own(this.#graft.state.value.models, provider) ?? {}, id)
  }

  providers(): Provider[] {
    return Object.values(this.#graft.state.value.providers)
  }

  /** Who speaks for each provider: the last row in order. */
  speakers(): Map<string, ProviderRow> {
    return new Map([...this.#graft.all("provider")].map((row) => [row.id, row]))
  }

  why(model: Model, field = ""): Provenance[] {
    const { ref, reason: _reason, usable: _usable, variant: _variant, ...row } = model
    const gathered = (this.speakers().get(model.provider)?.ready && this.#told(model) && this.#gathered.get(model.provider)) || this.#contributions.gather(model.provider, { catalogue: true })
    return trace(ref, row, gathered.layers.get(model.id) ?? [], this.#edits).filter((entry) => below(entry.field, field))
  }

  /** Whose draft took a model away, if one did. */
  deletedBy(ref: string): string | undefined {
    return this.#edits.findLast(({ patches }) => patches.get(ref)?.some(({ op, path }) => op === "remove" && path.length === 1))?.by
  }

  // ── the fold ────────────────────────────────────────────────────────────────────────────────────────────────────

  async #settle(): Promise<void> {
    try {
      do {
        // Always a tick later: contributions of one commit are folded at once.
        await this.#readConfig()
        this.#fold()
      } while (this.#configTouched && !this.#graft.retiring.aborted)
    } finally {
      this.#work = undefined
    }
  }

  async #readConfig(): Promise<void> {
    if (!this.#configTouched) return
    this.#configTouched = false
    const changed = await this.#contributions.readConfig()
    if (changed === "*") this.#allTouched.add("config")
    else for (const provider of changed) this.#touch(provider, "config")
  }

  /** One synchronous step from what is contributed now to what is told. */
  #fold(): void {
    const { retiring, state } = this.#graft
    if (retiring.aborted || !(this.#draftsTouched || this.#allTouched.size > 0 || this.#touched.size > 0)) return
    const speakers = this.speakers()
    const all = this.#allTouched.size > 0
    const board = this.#contributions.board(all ? undefined : new Set(this.#touched.keys()))
    const everything = all ? [...speakers.keys(), ...board.keys(), ...this.#contributions.configured(), ...this.#gathered.keys(), ...Object.keys(state.value.models)] : []
    const wanted = new Set([...everything, ...this.#touched.keys()])
    const causes = new Map([...wanted].map((provider) => [provider, [...(this.#touched.get(provider) ?? this.#allTouched)]]))
    this.#touched.clear()
    this.#allTouched.clear()
    this.#draftsTouched = false
    for (const provider of wanted) this.#gathered.set(provider, this.#contributions.gather(provider, { catalogue: speakers.get(provider)?.ready === true, board, learnt: own(state.value.learnt ?? {}, provider) }))
    const rows = this.#draft(wanted)
    this.#tell(rows, speakers, causes)
    for (const [provider, { layers }] of this.#gathered) if (layers.size === 0) this.#gathered.delete(provider)
    this.#next.resolve()
    this.#next = Promise.withResolvers()
  }

  /** Runs the drafts over all models, since a draft may look anywhere. What comes back is the wanted providers' and those that drafts touched, then or now. */
  #draft(wanted: ReadonlySet<string>): Map<string, Rows> {
    const before = this.#edits
    const editors = this.#graft.all("modelDraft").rows().map((row: Row<ModelDraft>): DraftEditor => ({ by: row.owner, id: row.item.id, edit: (models) => row.item.edit(models), run: (work) => row.run(work) }))
    if (editors.length === 0 && before.length === 0) return new Map([...wanted].map((provider) => [provider, this.#gathered.get(provider)!.rows]))
    const base: Rows = {}
    for (const { rows } of this.#gathered.values()) for (const row of Object.values(rows)) base[refOf(row)] = row
    const { models, edits, rejected } = applyDrafts(base, editors)
    this.#edits = edits
    for (const { by, id, reason } of rejected) this.#graft.log.warn(`the model draft "${id}" of ${by} was thrown away: ${reason}`)
    const touched = [...before, ...edits].flatMap(({ patches }) => [...patches.keys()].map((ref) => splitRef(ref)!.provider))
    const drafted = new Map<string, Rows>([...wanted, ...touched].map((provider) => [provider, {}]))
    for (const row of Object.values(models)) {
      const rows = drafted.get(row.provider)
      if (rows) rows[row.id] = row
    }
    return drafted
  }

  /** Compares with what was told last, keeps what is told now, and tells the difference. */
  #tell(rows: ReadonlyMap<string, Rows>, speakers: ReadonlyMap<string, ProviderRow>, causes: ReadonlyMap<string, readonly string[]>): void {
    const { state } = this.#graft
    const told = state.value
    const models = { ...told.models }
    const providers = { ...told.providers }
    const facts: (() => void)[] = []
    for (const [provider, derivedRows] of rows) {
      const speaker = speakers.get(provider)
      const derived = Object.fromEntries(Object.entries(derivedRows).map(([id, row]) => [id, modelOf(row, speaker, this.#contributions.policy)]))
      const { next, changes } = compare(own(told.models, provider) ?? {}, derived)
      const count = Object.keys(next).length
      if (count > 0) models[provider] = next
      else delete models[provider]
      if (speaker || count > 0) providers[provider] = providerOf(provider, speaker, count)
      else delete providers[provider]
      for (const model of changes.added) facts.push(() => this.#graft.emit("model.added", { model }))
      for (const { item: model, patches } of changes.updated) facts.push(() => this.#graft.emit("model.updated", { model, patches, by: this.#authors(model, patches.map(({ path }) => path.join(".")), causes.get(provider) ?? []) }))
      for (const model of changes.removed) facts.push(() => this.#graft.emit("model.removed", { model }))
    }
    const { next, changes } = compare(told.providers, providers)
    state.update(() => ({ ...(told.learnt && { learnt: told.learnt }), providers: next, models }))
    for (const provider of changes.added) this.#graft.emit("provider.added", { provider })
    // How many models it has is told by their own events; that alone is no change of the provider.
    for (const { item: provider, patches } of changes.updated) if (patches.some(({ path }) => path[0] !== "models")) this.#graft.emit("provider.updated", { provider, patches })
    for (const fact of facts) fact()
    for (const provider of changes.removed) this.#graft.emit("provider.removed", { provider })
  }

  /** Who set the values that changed; where a value is gone, or is no contribution, whoever caused the fold, or the drafts. */
  #authors(model: Model, fields: readonly string[], causes: readonly string[]): string[] {
    const history = this.why(model)
    return [...new Set(fields.flatMap((field) => {
      const setters = history.filter((entry) => below(entry.field, field)).flatMap((entry) => entry.history.at(-1)?.by ?? [])
      return setters.length > 0 ? setters : causes
    }))]
  }
}

function providerOf(id: string, row: ProviderRow | undefined, models: number): Provider {
  const reason = row ? (row.ready ? undefined : (row.reason ?? `${row.name} is not ready`)) : `no plugin speaks for "${id}"`
  return { id, name: row?.name ?? id, ready: row?.ready === true, ...(reason === undefined ? {} : { reason }), models }
}
