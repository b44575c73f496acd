/**
 * The fold: what many say about one model becomes one model, field by field, the later one wins. Pure, so that what is
 * live is a function of who contributes in which order, and of nothing else; and so that `why` can tell it again.
 */
import { createDraft, enablePatches, finishDraft, type Patch } from "immer"
import type { ModelRow, Provenance } from "./contract.ts"
import { problemOf, refOf, RESERVED } from "./rows.ts"

enablePatches()

/** What one contributor says of one model: `by` is plugin@gen, "catalogue", "models.dev", "models.jsonc" or "config". */
export interface Layer { readonly by: string; readonly row: Partial<ModelRow> }

/** Weakest first. Objects are merged, everything else is replaced; nothing of what was contributed is kept by reference, and the result is frozen. */
export function foldLayers(provider: string, id: string, layers: readonly Layer[]): ModelRow {
  const row: Record<string, unknown> = {}
  for (const layer of layers) merge(row, layer.row as Record<string, unknown>)
  row.id = id
  row.provider = provider
  return freeze(row) as unknown as ModelRow
}

function merge(into: Record<string, unknown>, from: Record<string, unknown>): Record<string, unknown> {
  for (const key of Object.keys(from)) {
    const value = from[key]
    if (value === undefined || RESERVED.has(key)) continue
    const here = into[key]
    into[key] = isRecord(value) ? merge(isRecord(here) ? here : {}, value) : Array.isArray(value) ? value.map(copy) : value
  }
  return into
}

const copy = (value: unknown): unknown => (Array.isArray(value) ? value.map(copy) : isRecord(value) ? merge({}, value) : value)

/** What is frozen already is not walked again: neither here, nor by immer when it becomes state. */
function freeze<T extends object>(value: T): T {
  for (const key of Object.keys(value)) {
    const inner = (value as Record<string, unknown>)[key]
    if (typeof inner === "object" && inner !== null) freeze(inner)
  }
  return Object.freeze(value)
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)

/** A contributor that edits what the others made. `run` enters its attribution, so that what it throws is its own fault. */
export interface DraftEditor { readonly by: string; readonly id: string; edit(models: Record<string, ModelRow>): void; run<R>(work: () => R): R }
/** What one editor changed, by the model's ref; a path begins with it. */
export interface Edit { readonly by: string; readonly patches: ReadonlyMap<string, readonly Patch[]> }
export interface Drafted { readonly models: Readonly<Record<string, ModelRow>>; readonly edits: readonly Edit[]; readonly rejected: readonly { by: string; id: string; reason: string }[] }

/** Each editor gets a draft of what those before it left. One that throws, waits, or leaves nonsense is thrown away alone. */
export function applyDrafts(base: Readonly<Record<string, ModelRow>>, editors: readonly DraftEditor[]): Drafted {
  let models = base
  const edits: Edit[] = []
  const rejected: { by: string; id: string; reason: string }[] = []
  for (const { by, id, edit, run } of editors) {
    try {
      const { next, patches } = run(() => editOne(models, edit))
      if (patches.size > 0) edits.push({ by, patches })
      models = next
    } catch (error) {
      rejected.push({ by, id, reason: error instanceof Error ? error.message : String(error) })
    }
  }
  return { models, edits, rejected }
}

function editOne(models: Readonly<Record<string, ModelRow>>, edit: DraftEditor["edit"]): { next: Readonly<Record<string, ModelRow>>; patches: Map<string, Patch[]> } {
  const draft = createDraft(models)
  const result = edit(draft as Record<string, ModelRow>) as unknown
  if (result !== undefined) {
    if (result instanceof Promise) result.catch(() => {})
    throw new TypeError("a model draft edits in place and at once: it returns nothing, and no promise")
  }
  let patches = new Map<string, Patch[]>()
  const next = finishDraft(draft, (forward) => { patches = Map.groupBy(forward, ({ path }) => String(path[0])) })
  for (const ref of patches.keys()) {
    if (!Object.hasOwn(next, ref)) continue
    const row = next[ref]
    const problem = problemOf(row)
    if (problem) throw new TypeError(`${ref}: ${problem}`)
    if (refOf(row!) !== ref) throw new TypeError(`${ref}: id and provider say "${refOf(row!)}"; a model cannot be renamed, only added and deleted`)
  }
  return { next, patches }
}

/** Who set each field, oldest first: the layers, then the edits of this model. */
export function trace(ref: string, live: ModelRow, layers: readonly Layer[], edits: readonly Edit[]): Provenance[] {
  const histories = new Map<string, Provenance["history"]>()
  const note = (by: string, path: readonly (string | number)[], value: unknown) => {
    for (const [field, leaf] of leaves(path, value)) {
      if (!histories.has(field)) histories.set(field, [])
      histories.get(field)!.push({ by, value: leaf })
    }
  }
  for (const { by, row } of layers) note(by, [], row)
  for (const { by, patches } of edits) {
    for (const { path, value } of patches.get(ref) ?? []) {
      // A value that is taken away, or replaced by an object, was also set to nothing.
      for (const field of histories.keys()) if (below(field, path.slice(1).join("."))) histories.get(field)!.push({ by, value: undefined })
      note(by, path.slice(1), value)
    }
  }
  return [...histories].filter(([field]) => field !== "id" && field !== "provider").sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([field, history]) => ({ ref, field, value: at(live, field), history: history.filter((entry, index) => entry.value !== undefined || history[index + 1]?.by !== entry.by) }))
}

/** Is the field the path, or inside of it? The empty path holds everything. */
export const below = (field: string, path: string): boolean => path === "" || field === path || field.startsWith(`${path}.`)

function* leaves(path: readonly (string | number)[], value: unknown): Generator<[field: string, value: unknown]> {
  if (isRecord(value) && Object.keys(value).length > 0) for (const [key, inner] of Object.entries(value)) yield* leaves([...path, key], inner)
  else if (value !== undefined && path.length > 0) yield [path.join("."), value]
}

function at(row: ModelRow, field: string): unknown {
  const found = [...leaves([], row)].find(([name]) => name === field)
  return found?.[1]
}
