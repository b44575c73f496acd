/**
 * The table: what is live in one realm. It is never mutated; it is a fold over the live generations in their order,
 * derived when asked and forgotten at the next commit. So half a plugin cannot be visible, and unloading is folding again.
 */
import { isDeepStrictEqual } from "node:util"
import type { Definition, EventPolicy, Meta, Row, RowChange, SlotPolicy } from "../instance.ts"
import type { Schema } from "../vocabulary.ts"
import type { Inbox } from "../bus/inbox.ts"
import { nounOf } from "../bus/bus.ts"
import { validate } from "../bus/validate.ts"
import { messageOf } from "../errors.ts"
import type { Generation } from "../loader/generation.ts"
import type { Unit } from "../loader/unit.ts"
import { once } from "./once.ts"
import type { Realm } from "./realm.ts"

interface Ordered { readonly order: number; readonly index: number; readonly generation: Generation }
export interface Listener extends Ordered { readonly event: string; readonly handler: (value: any, meta: Meta) => unknown; readonly deadline?: number; readonly since: number }
export interface SlotRow extends Ordered, Row<any> { readonly slot: string }

/** Order everywhere: explicit order, root, plugin id by bytes, declaration. A pure function, so no reload changes it. */
export function byOrder(a: Ordered, b: Ordered): number {
  const [left, right] = [a.generation.unit, b.generation.unit]
  return a.order - b.order || left.rank - right.rank || (left.id < right.id ? -1 : left.id > right.id ? 1 : a.index - b.index)
}

export class Table {
  readonly #realm: Realm
  readonly #known: Map<string, unknown>[] = []
  readonly #judged = new WeakMap<SlotRow, { schema: Schema; ok: boolean }>()

  constructor(realm: Realm) { this.#realm = realm }

  /** Looked up in what is live when it is first asked for. */
  #derived<V>(derive: (name: string) => V): (name: string) => V {
    const known = new Map<string, V>()
    this.#known.push(known)
    return (name) => once(known, name, derive)
  }

  /** Called inside the commit: the next look derives anew. */
  invalidate(): void { for (const known of this.#known) known.clear() }

  get #live(): readonly Generation[] { return this.#realm.live() }
  get #above(): Table | undefined { return this.#realm.parent?.table }

  readonly service = this.#derived((name): { generation: Generation; implementation: object } | undefined => {
    const generation = this.#live.find(({ services }) => services.has(name))
    return generation ? { generation, implementation: generation.services.get(name)! } : this.#above?.service(name)
  })

  /** A location sees the root's rows among its own. */
  readonly rows = this.#derived((slot): readonly SlotRow[] => {
    const schema = this.slotPolicy(slot)?.schema
    const own = this.#live.flatMap((generation) => [...(generation.rows.get(slot)?.values() ?? [])].filter((row) => this.valid(row, schema)))
    return [...(this.#above?.rows(slot) ?? []), ...own].sort(byOrder)
  })

  readonly listeners = this.#derived((event): readonly Listener[] =>
    this.#live.flatMap((generation) => generation.listeners.filter((listener) => listener.event === event)).sort(byOrder))

  /** The same, plugin by plugin. */
  readonly hearers = this.#derived((event): ReadonlyMap<Unit, readonly Listener[]> => Map.groupBy(this.listeners(event), ({ generation }) => generation.unit))

  /** The inboxes that hear a told event: one per plugin and noun, and one for who hears everything. */
  readonly audience = this.#derived((event): ReadonlySet<Inbox> =>
    new Set([event, "*"].flatMap((name) => [...this.hearers(name).keys()].map((unit) => unit.inbox(nounOf(name))))))

  readonly eventPolicy = this.#derived((event): EventPolicy | undefined => this.#policy("events", event) ?? this.#above?.eventPolicy(event))
  readonly slotPolicy = this.#derived((slot): SlotPolicy | undefined => this.#policy("slots", slot) ?? this.#above?.slotPolicy(slot))

  /** As the first who declares it here has it. */
  #policy<K extends "events" | "slots">(kind: K, name: string): NonNullable<Definition[K]>[string] | undefined {
    return this.#live.find(({ definition }) => definition[kind]?.[name])?.definition[kind]![name] as NonNullable<Definition[K]>[string] | undefined
  }

  slotNames(): string[] {
    return [...new Set(this.#live.flatMap((generation) => [...generation.rows].filter(([, rows]) => rows.size).map(([slot]) => slot)))].sort()
  }

  /** An item that fails its slot's schema is left out alone, and its owner is told the field, once a schema. */
  valid(row: SlotRow, schema = this.slotPolicy(row.slot)?.schema): boolean {
    if (!schema) return true
    const known = this.#judged.get(row)
    if (known?.schema === schema) return known.ok
    let wrong: string | undefined
    try { validate(schema, row.item, `this ${row.slot} was left out: `) } catch (error) { wrong = messageOf(error) }
    const ok = wrong === undefined
    this.#judged.set(row, { schema, ok })
    if (!ok) row.generation.fault("throw", `${row.slot} ${row.key}`, new TypeError(wrong))
    return ok
  }
}

/** What a commit changed, slot by slot. Rows with functions differ when their file was reloaded; data is compared by value. */
export function diffRows(before: readonly SlotRow[], after: readonly SlotRow[]): Map<string, RowChange<unknown>> {
  const changes = new Map<string, RowChange<unknown>>()
  const at = ({ slot }: SlotRow) => once(changes, slot, () => ({ added: [], updated: [], removed: [] }))
  const identity = ({ slot, generation, key }: SlotRow) => JSON.stringify([slot, generation.unit.id, key])
  const old = new Map(before.map((row) => [identity(row), row]))
  for (const row of after) {
    const previous = old.get(identity(row))
    old.delete(identity(row))
    if (!previous) at(row).added.push(row)
    else if (!isDeepStrictEqual(previous.item, row.item) || previous.order !== row.order) at(row).updated.push({ from: previous, to: row })
  }
  for (const row of old.values()) at(row).removed.push(row)
  return changes
}
