/** Reading: rows back into events, brought up to date on the way, a page at a time and never under a lock. */
import type { Board } from "graft"
import type { SqlValue, Store } from "../store/contract.ts"
import type { EventLog, Json, StoredEvent, Upcast } from "./contract.ts"
import { EventLogError, unknownAggregate } from "./errors.ts"
import { cursorAt, idAt, seqOf, type Head } from "./identity.ts"
import { PAGE, PAGE_OF_TYPES } from "./tables.ts"

const PAGE_SIZE = 512
const MOST = 4_096

export interface EventRow { seq: number; position: number; id: string | null; type: string; version: number; epoch: number; actor: string; created: number; causation: string | null; correlation: string | null; data: string }

interface HeadRow extends Head { key: number; epoch: number }

export class Reader {
  readonly #store: Store
  readonly #upcasts: Board<Upcast>
  readonly #ready: () => Promise<void>

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
    const last = rows.length === most ? rows.at(-1)!.seq : head.seq
    return { events: this.events(rows.map((row) => ({ ...row, aggregate, log: head.log }))), next: cursorAt(head.log, last), head: head.seq }
  }

  events(rows: readonly (EventRow & { aggregate: string; log: string })[]): StoredEvent[] {
    const upcasts = new Map([...this.#upcasts].map((item) => [keyOf(item), item]))
    return rows.map((row) => eventOf(row, upcasts))
  }

  async #head(aggregate: string): Promise<HeadRow | undefined> {
    await this.#ready()
    return this.#store.get<HeadRow>("SELECT key, id, log, seq, epoch FROM aggregate WHERE id = ?", [aggregate])
  }
}

export const keyOf = ({ type, from }: Upcast): string => `${type}@${from}`

/** An older version is brought up to today's, step by step; a type that nobody knows passes as it is. */
function eventOf({ aggregate, log, seq, position, id, type, epoch, actor, created, causation, correlation, ...row }: EventRow & { aggregate: string; log: string }, upcasts: ReadonlyMap<string, Upcast>): StoredEvent {
  let version = row.version
  let data = JSON.parse(row.data) as Json
  for (let step = upcasts.get(`${type}@${version}`); step; step = upcasts.get(`${type}@${++version}`)) data = lift(step, data)
  return { aggregate, seq, position, id: id ?? idAt(log, seq), type, version, epoch, actor, created, ...(causation !== null && { causation }), ...(correlation !== null && { correlation }), data }
}

function lift(step: Upcast, data: Json): Json {
  try {
    return step.upcast(data)
  } catch (error) {
    throw new EventLogError("eventlog.upcast", `the upcast of ${step.type} from version ${step.from} failed: ${String(error)}`, { cause: error })
  }
}
