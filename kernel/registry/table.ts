/**
 * The table: what is live in one realm. It is never mutated; it is a fold over the live generations in their order,
 * derived when asked and forgotten at the next commit. So half a plugin cannot be visible, and unloading is folding again.
 */
import { isDeepStrictEqual } from "node:util"
import type { Definition, EventPolicy, ListenOptions, Meta, Row, RowChange, SlotPolicy } from "../instance.ts"
import type { Schema } from "../vocabulary.ts"
import type { Inbox } from "../bus/inbox.ts"
import { nounOf } from "../bus/bus.ts"
import { validate } from "../bus/validate.ts"
import type { Generation } from "../loader/generation.ts"
import type { Realm } from "./realm.ts"

export interface Listener { readonly event: string; readonly handler: (value: any, meta: Meta) => unknown; readonly options?: ListenOptions; readonly index: number; readonly since: number; readonly generation: Generation }
export interface SlotRow { readonly slot: string; readonly key: string; readonly item: unknown; readonly order: number; readonly index: number; readonly generation: Generation }

interface Ordered { readonly index: number; readonly generation: Generation }
const orderOf = (entry: Ordered & { order?: number; options?: ListenOptions }): number => entry.order ?? entry.options?.order ?? 0

/** Order everywhere: explicit order, root, plugin id by bytes, declaration. A pure function, so no reload changes it. */
export function byOrder(a: Ordered, b: Ordered): number {
  const [left, right] = [a.generation.unit, b.generation.unit]
  return orderOf(a) - orderOf(b) || left.rank - right.rank || (left.id < right.id ? -1 : left.id > right.id ? 1 : a.index - b.index)
}

export class Table {
  readonly #realm: Realm
  readonly #services = new Map<string, { generation: Generation; implementation: object } | undefined>()
  readonly #slots = new Map<string, readonly SlotRow[]>()
  readonly #listeners = new Map<string, readonly Listener[]>()
  readonly #audiences = new Map<string, readonly Inbox[]>()
  readonly #policies = new Map<string, EventPolicy | undefined>()
  readonly #checked = new WeakMap<SlotRow, { schema: Schema; ok: boolean }>()
  readonly #views = new WeakMap<SlotRow, Row<any>>()

  constructor(realm: Realm) { this.#realm = realm }

  /** Called inside the commit: the next look derives anew. */
  invalidate(): void {
    for (const cache of [this.#services, this.#slots, this.#listeners, this.#audiences, this.#policies]) cache.clear()
  }

  service(name: string): { generation: Generation; implementation: object } | undefined {
    return cached(this.#services, name, () => {
      for (const generation of this.#realm.live()) {
        const implementation = generation.services.get(name)
        if (implementation) return { generation, implementation }
      }
      return this.#realm.parent?.table.service(name)
    })
  }

  /** A location sees the root's rows among its own. */
  rows(slot: string): readonly SlotRow[] {
    return cached(this.#slots, slot, () => {
      const schema = this.slotPolicy(slot)?.schema
      const own = this.#realm.live().flatMap((generation) => [...(generation.rows.get(slot)?.values() ?? [])].filter((row) => this.valid(row, schema)))
      return [...(this.#realm.parent?.table.rows(slot) ?? []), ...own].sort(byOrder)
    })
  }

  slotNames(): string[] {
    return [...new Set(this.#realm.live().flatMap((generation) => [...generation.rows].filter(([, rows]) => rows.size).map(([slot]) => slot)))].sort()
  }

  listeners(event: string): readonly Listener[] {
    return cached(this.#listeners, event, () => this.#realm.live().flatMap((generation) => generation.listeners.filter((listener) => listener.event === event)).sort(byOrder))
  }

  listenersOf(plugin: string, event: string): readonly Listener[] {
    return cached(this.#listeners, `${plugin} ${event}`, () => this.listeners(event).filter((listener) => listener.generation.unit.id === plugin))
  }

  /** The inboxes that hear a told event: one per plugin and noun, and one for who hears everything. */
  audience(event: string): readonly Inbox[] {
    return cached(this.#audiences, event, () => {
      const inboxes = new Set<Inbox>()
      for (const name of [event, "*"]) for (const { generation } of this.listeners(name)) inboxes.add(generation.unit.inbox(nounOf(name)))
      return [...inboxes]
    })
  }

  eventPolicy(event: string): EventPolicy | undefined {
    return cached(this.#policies, event, () => this.#owner("events", event)?.events![event] ?? this.#realm.parent?.table.eventPolicy(event))
  }

  slotPolicy(slot: string): SlotPolicy | undefined { return this.#owner("slots", slot)?.slots![slot] ?? this.#realm.parent?.table.slotPolicy(slot) }

  /** Who declares it here. */
  #owner(kind: "events" | "slots", name: string): Definition<never, never> | undefined {
    return this.#realm.live().find(({ definition }) => definition[kind]?.[name])?.definition
  }

  view(row: SlotRow): Row<any> {
    let view = this.#views.get(row)
    if (!view) this.#views.set(row, (view = { key: row.key, item: row.item, owner: row.generation.name, run: (work) => row.generation.attribute(`${row.slot} ${row.key}`, work) }))
    return view
  }

  /** An item that fails its slot's schema is left out alone, and its owner is told the field, once a schema. */
  valid(row: SlotRow, schema = this.slotPolicy(row.slot)?.schema): boolean {
    if (!schema) return true
    const known = this.#checked.get(row)
    if (known?.schema === schema) return known.ok
    const checked = validate(schema, row.item)
    this.#checked.set(row, { schema, ok: checked.ok })
    if (!checked.ok) row.generation.fault("throw", `${row.slot} ${row.key}`, new TypeError(`this ${row.slot} was left out: ${checked.message}`))
    return checked.ok
  }
}

/** What a commit changed, slot by slot. Rows with functions differ when their file was reloaded; data is compared by value. */
export function diffRows(before: readonly SlotRow[], after: readonly SlotRow[], view: (row: SlotRow) => Row<unknown>): Map<string, RowChange<unknown>> {
  const changes = new Map<string, RowChange<unknown>>()
  const at = (slot: string): RowChange<unknown> => cached(changes, slot, () => ({ added: [], updated: [], removed: [] }))
  const identity = (row: SlotRow) => JSON.stringify([row.slot, row.generation.unit.id, row.key])
  const old = new Map(before.map((row) => [identity(row), row]))
  for (const row of after) {
    const previous = old.get(identity(row))
    old.delete(identity(row))
    if (!previous) at(row.slot).added.push(view(row))
    else if (!isDeepStrictEqual(previous.item, row.item) || previous.order !== row.order) at(row.slot).updated.push({ from: view(previous), to: view(row) })
  }
  for (const row of old.values()) at(row.slot).removed.push(view(row))
  return changes
}

function cached<K, V>(cache: Map<K, V>, key: K, make: () => V): V {
  const known = cache.get(key)
  if (known !== undefined || cache.has(key)) return known!
  const made = make()
  cache.set(key, made)
  return made
}
