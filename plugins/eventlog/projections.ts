/**
 * Read models, kept in the transaction of the append. Which of them are current is written down: one that an append goes
 * past (its plugin was away, or the other process has not got it) is marked as behind, and catches up before the next
 * append of a process that has it. So a projection that comes late, or back, is whole before it is used.
 */
import type { Board } from "graft"
import type { Store, Tx } from "../store/contract.ts"
import type { Projection, StoredEvent } from "./contract.ts"
import { EventLogError } from "./errors.ts"
import type { EventRow, Reader } from "./reader.ts"
import { CURRENT, HISTORY } from "./tables.ts"

const PAGE = 256
/** The owner of the log's own tables. */
const RESERVED = "eventlog"

export class Projections {
  readonly #store: Store
  readonly #board: Board<Projection>
  readonly #reader: Reader
  readonly #tables: () => Promise<void>
  #items: readonly Projection[] = []
  #made: Promise<void> | undefined
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

  /** Their tables are made before anybody reads them, and not earlier. */
  prepare(): void {
    for (const { id, migrations } of this.#board) if (id !== RESERVED) void this.#store.prepare(id, migrations).catch(() => {})
  }

  /** The log and all projections that are there now have their tables. Those who wait go on in their order. */
  async ready(events: readonly { type: string }[]): Promise<void> {
    const items = [...this.#board]
    if (!this.#made || items.length !== this.#items.length || items.some((item, i) => item !== this.#items[i])) {
      this.#items = items
      const made = (this.#made = this.#make(items))
      made.catch(() => { if (this.#made === made) this.#made = undefined })
    }
    await this.#made
    for (const [{ types }, error] of this.#failed) if (events.some(({ type }) => types.includes(type))) throw error
  }

  /** What a plugin's author got wrong stops only the events that it wants to see; what is wrong with the disk stops all. */
  async #make(items: readonly Projection[]): Promise<void> {
    const failed = new Map<Projection, unknown>()
    await this.#tables()
    for (const item of items) {
      if (this.#current.includes(item)) continue
      try {
        if (item.id === RESERVED) throw new EventLogError("eventlog.invalid", `a projection cannot have the id "${RESERVED}"`)
        await this.#store.migrate(item.id, item.migrations)
      } catch (error) {
        if (!["store.migration", "store.newer", "eventlog.invalid"].includes((error as { code: string }).code)) throw error
        failed.set(item, error)
      }
    }
    if (items !== this.#items) return
    this.#failed.clear()
    for (const [item, error] of failed) this.#failed.set(item, error)
    this.#current = items.filter((item) => !failed.has(item))
    this.#settled = undefined
  }

  /** Before an append: ours catch up, those of others fall behind. `current` is what the database holds for current, by name. */
  level(tx: Tx, current: string): void {
    if (current === this.#settled) return
    const states = new Map(tx.all<{ id: string; behind: number | null }>("SELECT id, behind FROM projection").map(({ id, behind }) => [id, behind]))
    for (const item of this.#current) {
      const behind = states.get(item.id)
      states.delete(item.id)
      if (behind !== null) this.#catchUp(tx, item, behind ?? 1)
    }
    for (const [id, behind] of states) if (behind === null) tx.run("UPDATE projection SET behind = (SELECT coalesce(max(position), 0) + 1 FROM event) WHERE id = ?", [id])
    this.#settled = tx.get<{ current: string }>(`SELECT ${CURRENT} AS current`)!.current
  }

  project(tx: Tx, event: StoredEvent): void {
    for (const item of this.#current) if (item.types.includes(event.type)) apply(tx, item, event)
  }

  async rebuild(id: string): Promise<{ events: number }> {
    const item = this.#board.get(id)
    if (!item) throw new EventLogError("eventlog.unknown", `there is no projection "${id}"; there are: ${[...this.#board].map((each) => each.id).join(", ")}`)
    await this.ready(item.types.map((type) => ({ type })))
    return this.#store.write((tx) => {
      for (const table of item.tables.toReversed()) tx.run(`DELETE FROM "${table.replaceAll('"', '""')}"`)
      return { events: this.#catchUp(tx, item, 1) }
    })
  }

  #catchUp(tx: Tx, item: Projection, from: number): number {
    let events = 0
    for (let next = from; ; ) {
      const rows = tx.all<EventRow & { aggregate: string; log: string }>(HISTORY, [next, JSON.stringify(item.types), PAGE])
      for (const event of this.#reader.events(rows)) apply(tx, item, event)
      events += rows.length
      if (rows.length < PAGE) break
      next = rows.at(-1)!.position + 1
    }
    tx.run("INSERT INTO projection (id, behind) VALUES (?, NULL) ON CONFLICT (id) DO UPDATE SET behind = NULL", [item.id])
    return events
  }
}

function apply(tx: Tx, { id, project }: Projection, event: StoredEvent): void {
  try {
    for (const statement of project(event)) tx.apply(statement)
  } catch (error) {
    if (typeof (error as { code?: unknown } | null)?.code === "string") throw error
    throw new EventLogError("eventlog.projection", `the projection "${id}" cannot take in ${event.type} (${event.aggregate}, ${event.seq}): ${String(error)}`, { cause: error })
  }
}
