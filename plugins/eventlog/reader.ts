/** Reading: rows back into events, brought up to date on the way, a page at a time and never under a lock. */
import type { Board } from "graft"
import type { SqlValue, Store, Tx } from "../store/contract.ts"
import type { EventLog, Json, StoredEvent, Upcast } from "./contract.ts"
import { corrupt, EventLogError, unknownAggregate } from "./errors.ts"
import { cursorAt, idAt, seqOf, type Head } from "./identity.ts"
import { Names, type Texts } from "./names.ts"
import { PAGE, PAGE_OF_TYPES } from "./tables.ts"

const PAGE_SIZE = 512
const MOST = 4_096

export interface EventRow { seq: number; position: number; id: string | null; type: number; version: number; epoch: number; actor: number; created: number; causation: string | null; correlation: string | null; data: string }

export type HistoryRow = EventRow & { aggregate: string; log: string }
interface HeadRow extends Head { key: number; epoch: number }

export class Reader {
  readonly #store: Store
  readonly #upcasts: Board<Upcast>
  readonly #ready: () => Promise<void>
  readonly #names = new Names()

  constructor(store: Store, upcasts: Board<Upcast>, ready: () => Promise<void>) {
    this.#store = store
    this.#upcasts = upcasts
    this.#ready = ready
  }

  async head(aggregate: string): ReturnType<EventLog["head"]> {
    const row = await this.#head(aggregate)
    return row && { seq: row.seq, cursor: cursorAt(row.log, row.seq), epoch: row.epoch }
  }

  async read({ aggregate, after, limit = PAGE_SIZE, types }: Parameters<EventLog["read"]>[0]): ReturnType<EventLog["read"]> {
    const head = await this.#head(aggregate)
    if (!head) throw unknownAggregate(aggregate)
    const from = seqOf(after, head)
    const most = Math.min(Math.max(1, Math.floor(limit) || PAGE_SIZE), MOST)
    const filter: SqlValue[] = types ? [JSON.stringify(types)] : []
    const rows = await this.#store.all<EventRow>(types ? PAGE_OF_TYPES : PAGE, [head.key, from, head.seq, ...filter, most])
    const names = await this.#names.of(rows, (sql, params) => this.#store.all(sql, params))
    const { events, damage } = readable(rows, { id: aggregate, log: head.log, names, upcasts: this.#steps() }, types ? undefined : from)
    if (damage && events.length === 0) throw damage
    const last = damage ? events.at(-1)!.seq : rows.length === most ? rows.at(-1)!.seq : head.seq
    return { events, next: cursorAt(head.log, last), head: head.seq }
  }

  /** Reads rows of any aggregate inside of a transaction, with the upcasts of now. */
  reading(tx: Tx): (rows: readonly HistoryRow[]) => (row: HistoryRow) => StoredEvent {
    const upcasts = this.#steps()
    return (rows) => {
      const names = this.#names.now(rows, (sql, params) => tx.all(sql, params))
      return (row) => eventOf(row, { id: row.aggregate, log: row.log, names, upcasts })
    }
  }

  /** An event of another log, as it reads today. */
  today(event: StoredEvent): StoredEvent {
    return { ...event, ...lifted(event.type, event.version, event.data, this.#steps()) }
  }

  #steps(): ReadonlyMap<string, Upcast> { return new Map([...this.#upcasts].map((item) => [keyOf(item), item])) }

  async #head(aggregate: string): Promise<HeadRow | undefined> {
    await this.#ready()
    return this.#store.get<HeadRow>("SELECT key, id, log, seq, epoch FROM aggregate WHERE id = ?", [aggregate])
  }
}

export const keyOf = ({ type, from }: Upcast): string => `${type}@${from}`

/** Whose rows they are, and what is needed to read them. */
interface Of { id: string; log: string; names: Texts; upcasts: ReadonlyMap<string, Upcast> }

/** What can be read of a page: all before the first event that cannot. `from`: the events are to follow it without a hole. */
function readable(rows: readonly EventRow[], of: Of, from: number | undefined): { events: StoredEvent[]; damage?: EventLogError } {
  const events: StoredEvent[] = []
  try {
    for (const row of rows) {
      if (from !== undefined && row.seq !== ++from) throw corrupt(of.id, from, "it is missing")
      events.push(eventOf(row, of))
    }
    return { events }
  } catch (error) {
    if (!(error instanceof EventLogError)) throw error
    return { events, damage: error }
  }
}

/** An older version is brought up to today's, step by step; a type that nobody knows passes as it is. */
function eventOf(row: EventRow, { id: aggregate, log, names, upcasts }: Of): StoredEvent {
  const { seq, position, epoch, created, id, causation, correlation } = row
  const type = names.get(row.type)!
  const parsed = dataOf(row, aggregate)
  const { version, data } = upcasts.size === 0 ? { version: row.version, data: parsed } : lifted(type, row.version, parsed, upcasts)
  const event: StoredEvent = { aggregate, seq, position, id: id ?? idAt(log, seq), type, version, epoch, actor: names.get(row.actor)!, created, data }
  if (causation !== null) event.causation = causation
  if (correlation !== null) event.correlation = correlation
  return event
}

function dataOf({ data, seq }: EventRow, aggregate: string): Json {
  try {
    return JSON.parse(data) as Json
  } catch (error) {
    throw corrupt(aggregate, seq, (error as Error).message)
  }
}

function lifted(type: string, version: number, data: Json, upcasts: ReadonlyMap<string, Upcast>): { version: number; data: Json } {
  for (let step = upcasts.get(`${type}@${version}`); step; step = upcasts.get(`${type}@${++version}`)) data = lift(step, data)
  return { version, data }
}

function lift(step: Upcast, data: Json): Json {
  try {
    return step.upcast(data)
  } catch (error) {
    throw new EventLogError("eventlog.upcast", `the upcast of ${step.type} from version ${step.from} failed: ${String(error)}`, { cause: error })
  }
}
