/**
 * Read models, kept in the transaction of the append. Which of them are current is written down: one that an append goes
 * past (its plugin was away, or the other process has not got it) is marked as behind, and catches up when it is there
 * again, at the latest before the next append that concerns it.
 */
import type { Board } from "graft"
import type { Store, Tx } from "../store/contract.ts"
import type { Projection, StoredEvent } from "./contract.ts"
import { EventLogError } from "./errors.ts"
import type { HistoryRow, Reader } from "./reader.ts"
import { CURRENT, HISTORY } from "./tables.ts"

const PAGE = 256
/** Where a projection begins that has to empty its tables first. */
const ANEW = 0
/** The owner of the log's own tables. */
const RESERVED = "eventlog"

export class Projections {
  readonly #store: Store
  readonly #board: Board<Projection>
  readonly #reader: Reader
  readonly #tables: () => Promise<void>
  #items: readonly Projection[] = []
  #made: Promise<void> | undefined
  /** The items whose tables are there. */
  #madeOf: readonly Projection[] | undefined
  #current: readonly Projection[] = []
  /** What the database holds for current when nothing is to be done about it. */
  #settled: string | undefined
  readonly #failed = new Map<Projection, unknown>()

  constructor(store: Store, board: Board<Projection>, reader: Reader, tables: () => Promise<void>) {
    this.#store = store
    this.#board = board
    this.#reader = reader
    this.#tables = tables
  }

  /** Other ones are there now. Their tables are made before anybody reads them, and not earlier; in a log that is in use they are brought up to date now. */
  changed(): void {
    for (const { id, migrations } of this.#board) if (id !== RESERVED) void this.#store.prepare(id, migrations).catch(() => {})
    if (this.#made) void this.ready([]).catch(() => {})
  }

  /** Nothing has to be waited for: what `ready` would find, it has found. */
  isReady(events: readonly { type: string }[]): boolean {
    if (this.#madeOf !== this.#items || this.#failed.size > 0 && [...this.#failed.keys()].some((item) => concerns(item, events))) return false
    let i = 0
    for (const item of this.#board) if (item !== this.#items[i++]) return false
    return i === this.#items.length
  }

  /** The log has its tables, and all projections that are there now have theirs. Those who wait go on in their order. */
  async ready(events: readonly { type: string }[]): Promise<void> {
    const items = [...this.#board]
    if (!this.#made || items.length !== this.#items.length || items.some((item, i) => item !== this.#items[i])) {
      this.#items = items
      const made = (this.#made = this.#make(items))
      made.catch(() => { if (this.#made === made) this.#made = undefined })
    }
    await this.#made
    for (const [item, error] of this.#failed) if (concerns(item, events)) throw error
  }

  /** What a plugin's author got wrong stops only the events that it wants to see; what is wrong with the disk stops all. */
  async #make(items: readonly Projection[]): Promise<void> {
    const failed = new Map<Projection, unknown>()
    await this.#tables()
    // Of two with one id the later is meant, as on the board.
    const distinct = [...new Map(items.map((item) => [item.id, item])).values()]
    for (const item of distinct) {
      if (this.#current.includes(item)) continue
      try {
        if (item.id === RESERVED) throw new EventLogError("eventlog.invalid", `a projection cannot have the id "${RESERVED}"`)
        await this.#store.migrate(item.id, item.migrations)
        if (await this.#isBehind(item.id)) await this.#store.write((tx) => this.#catchUp(tx, item, this.#behind(tx, item.id)))
      } catch (error) {
        if (!isMistake(error)) throw error
        failed.set(item, error)
      }
    }
    if (items !== this.#items) return
    this.#failed.clear()
    for (const [item, error] of failed) this.#failed.set(item, error)
    this.#current = distinct.filter((item) => !failed.has(item))
    this.#settled = undefined
    this.#madeOf = items
  }

  /** Before an append: those of others fall behind, and ours that it concerns catch up. `current` is what the database holds for current, by name. */
  level(tx: Tx, current: string, events: readonly { type: string }[]): void {
    if (current === this.#settled) return
    const states = new Map(tx.all<{ id: string; behind: number | null }>("SELECT id, behind FROM projection").map(({ id, behind }) => [id, behind]))
    let settled = true
    for (const item of this.#current) {
      const behind = states.get(item.id)
      states.delete(item.id)
      if (behind === null) continue
      if (concerns(item, events)) this.#catchUp(tx, item, behind ?? 1)
      else settled = false
    }
    for (const [id, behind] of states) if (behind === null) tx.run("UPDATE projection SET behind = (SELECT coalesce(max(position), 0) + 1 FROM event) WHERE id = ?", [id])
    if (settled) this.#settled = tx.get<{ current: string }>(`SELECT ${CURRENT} AS current`)!.current
  }

  project(tx: Tx, event: StoredEvent): void {
    for (const item of this.#current) if (item.types.includes(event.type)) apply(tx, item, event)
  }

  async rebuild(id: string): Promise<{ events: number; damaged: string[] }> {
    const item = this.#board.get(id)
    if (!item) throw new EventLogError("eventlog.unknown", `there is no projection "${id}"; there are: ${[...this.#board].map((each) => each.id).join(", ")}`)
    await this.ready(item.types.map((type) => ({ type })))
    return this.#store.write((tx) => this.#catchUp(tx, item, ANEW))
  }

  /** The events of an aggregate are gone: so are its rows, as if it had never been. One that is away begins anew when it is back. */
  forget(tx: Tx, aggregate: string): void {
    for (const { id } of tx.all<{ id: string }>("SELECT id FROM projection")) {
      const item = this.#current.find((each) => each.id === id)
      if (!item) tx.run("UPDATE projection SET behind = ? WHERE id = ?", [ANEW, id])
      else if (item.forget) for (const statement of item.forget(aggregate)) tx.apply(statement)
      else this.#catchUp(tx, item, ANEW)
    }
  }

  async #isBehind(id: string): Promise<boolean> {
    const row = await this.#store.get<{ behind: number | null }>("SELECT behind FROM projection WHERE id = ?", [id])
    return row ? row.behind !== null : (await this.#store.get("SELECT 1 FROM event LIMIT 1")) !== undefined
  }

  /** The first position that it has not taken in. */
  #behind(tx: Tx, id: string): number {
    const row = tx.get<{ behind: number | null }>("SELECT behind FROM projection WHERE id = ?", [id])
    return row ? (row.behind ?? Number.MAX_SAFE_INTEGER) : 1
  }

  /** One damaged session is no reason to do without the others: for this read model it ends before the damage. */
  #catchUp(tx: Tx, item: Projection, from: number): { events: number; damaged: string[] } {
    let events = 0
    const damaged = new Set<string>()
    const reading = this.#reader.reading(tx)
    if (from === ANEW) for (const table of item.tables.toReversed()) tx.run(`DELETE FROM "${table.replaceAll('"', '""')}"`)
    for (let next = from; ; ) {
      const rows = tx.all<HistoryRow>(HISTORY, [next, JSON.stringify(item.types), PAGE])
      const read = reading(rows)
      for (const row of rows) {
        const event = damaged.has(row.aggregate) ? undefined : readable(read, row)
        if (!event) damaged.add(row.aggregate)
        else apply(tx, item, event)
      }
      events += rows.length
      if (rows.length < PAGE) break
      next = rows.at(-1)!.position + 1
    }
    tx.run("INSERT INTO projection (id, behind) VALUES (?, NULL) ON CONFLICT (id) DO UPDATE SET behind = NULL", [item.id])
    return { events, damaged: [...damaged] }
  }
}

function readable(read: (row: HistoryRow) => StoredEvent, row: HistoryRow): StoredEvent | undefined {
  try {
    return read(row)
  } catch (error) {
    if ((error as { code?: unknown }).code === "eventlog.corrupt") return undefined
    throw error
  }
}

const concerns = ({ types }: Projection, events: readonly { type: string }[]): boolean => events.some(({ type }) => types.includes(type))

/** Of the projection's author, not of the disk. */
const isMistake = (error: unknown): boolean => ["store.migration", "store.newer", "store.conflict", "store.sql"].includes((error as { code: string }).code) || error instanceof EventLogError

function apply(tx: Tx, { id, project }: Projection, event: StoredEvent): void {
  try {
    for (const statement of project(event)) tx.apply(statement)
  } catch (error) {
    if (typeof (error as { code?: unknown } | null)?.code === "string") throw error
    throw new EventLogError("eventlog.projection", `the projection "${id}" cannot take in ${event.type} (${event.aggregate}, ${event.seq}): ${String(error)}`, { cause: error })
  }
}
