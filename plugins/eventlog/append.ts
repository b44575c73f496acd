/** One append, inside its transaction: done before? may it? then a place for each event, the events, and what follows from them. */
import { isDeepStrictEqual } from "node:util"
import type { Tx } from "../store/contract.ts"
import { COMMANDS, OWNED } from "./classes.ts"
import type { Append, Appended, Json, NewEvent, StoredEvent } from "./contract.ts"
import { EventLogError, replicaOf, unknownAggregate } from "./errors.ts"
import { cursorAt, idAt, newLog, placeOf } from "./identity.ts"
import type { Projections } from "./projections.ts"
import { ALLOCATE, CREATE, INSERT } from "./tables.ts"

/** Characters of one event's data; more belongs into a blob. */
const MOST = 16_777_216

export interface Written extends Appended { kind: string; events: StoredEvent[]; /** Names that got a number. */ named: Map<string, number> }
export type Known = ReadonlyMap<string, number>

/** Data as it will be stored. */
export function textsOf({ aggregate, actor, create, events }: Pick<Append, "aggregate" | "actor" | "create" | "events">): string[] {
  if (!isText(aggregate) || !isText(actor) || (create !== undefined && !isText(create))) throw invalid(aggregate, `"aggregate", "actor" and "create" are texts`)
  if (!Array.isArray(events)) throw invalid(aggregate, `"events" is a list`)
  return events.map((event: NewEvent | null, i) => {
    const { type, data, id, causation, correlation } = event ?? ({} as NewEvent)
    if (!isText(type)) throw invalid(aggregate, `event ${i} has no type`)
    if (!(isName(id) && isName(causation) && isName(correlation))) throw invalid(aggregate, `the ids of ${type} are texts`)
    let text: string | undefined
    try { text = JSON.stringify(data) } catch (error) { throw invalid(aggregate, `the data of ${type} cannot be written as JSON: ${(error as Error).message}`) }
    if (text === undefined) throw invalid(aggregate, `${type} has no data`)
    if (text.length > MOST) throw invalid(aggregate, `the data of ${type} is ${text.length} characters long; more than ${MOST} belong into a blob`)
    return text
  })
}

const invalid = (aggregate: string, what: string) => new EventLogError("eventlog.invalid", `an append to ${JSON.stringify(aggregate)}: ${what}`)
const isName = (value: unknown): boolean => value === undefined || isText(value)
export const isText = (value: unknown): value is string => typeof value === "string" && value !== ""

export function append(tx: Tx, batch: Append, texts: readonly string[], projections: Projections, known: Known): Written {
  const before = receiptOf(tx, batch) ?? twinOf(tx, batch, texts)
  if (before) return before
  const { aggregate, actor, events, command } = batch
  const created = Date.now()
  const { key, seq, log, kind, epoch, current } = allocate(tx, batch, created)
  projections.level(tx, current, events)
  const first = seq - events.length + 1
  const named = new Map<string, number>()
  const number = (name: string): number => known.get(name) ?? named.get(name) ?? nameIn(tx, name, named)
  const stored = events.map(({ type, version = 1, id, causation, correlation }, i): StoredEvent => {
    const at = first + i
    const { rowid } = tx.run(INSERT, [key, at, number(type), version, epoch, number(actor), created, id ?? null, causation ?? null, correlation ?? null, texts[i]!])
    const event: StoredEvent = { aggregate, seq: at, position: rowid, id: id ?? idAt(log, at), type, version, epoch, actor, created, data: JSON.parse(texts[i]!) as Json }
    if (causation !== undefined) event.causation = causation
    if (correlation !== undefined) event.correlation = correlation
    return event
  })
  for (const event of stored) projections.project(tx, event)
  for (const statement of batch.writes ?? []) tx.apply(statement)
  if (command) tx.run("INSERT INTO command (id, aggregate, kind, hash, first, last, created) VALUES (?, ?, ?, ?, ?, ?, ?)", [command.id, key, command.kind, command.hash, first, seq, created])
  return { first, last: seq, cursor: cursorAt(log, seq), repeated: false, kind, events: stored, named }
}

interface Allocated { key: number; seq: number; log: string; kind: string; epoch: number; current: string }

/** The one statement that gives places and checks the fence: there is nothing between the two to race with. */
function allocate(tx: Tx, { aggregate, create, epoch, events }: Append, created: number): Allocated {
  if (create !== undefined) tx.run(CREATE, [aggregate, create, newLog(), created])
  const row = tx.get<Allocated>(ALLOCATE, [events.length, aggregate, epoch ?? null, epoch ?? null])
  if (!row) throw refusalOf(tx, aggregate, epoch!)
  const owners = row.kind === OWNED && epoch === undefined ? events.find(({ type }) => !COMMANDS.has(type)) : undefined
  if (owners) throw new EventLogError("eventlog.fenced", `${owners.type} is for the owner of "${aggregate}" to say: claim it, and append with the epoch`)
  return row
}

function refusalOf(tx: Tx, aggregate: string, epoch: number): EventLogError {
  const row = tx.get<{ epoch: number; owner: string | null; replay_owner: string | null }>("SELECT epoch, owner, replay_owner FROM aggregate WHERE id = ?", [aggregate])
  if (!row) return unknownAggregate(aggregate)
  if (row.replay_owner !== null) return replicaOf(aggregate, row.replay_owner)
  return new EventLogError("eventlog.fenced", `"${aggregate}" is at epoch ${row.epoch}${row.owner === null ? "" : ` of ${row.owner}`}, this append comes from epoch ${epoch}: another owner took over`)
}

/** The same command again: its receipt. */
function receiptOf(tx: Tx, { aggregate, command }: Append): Written | undefined {
  if (!command) return undefined
  const row = tx.get<{ id: string; log: string; kind: string; hash: string; first: number; last: number }>("SELECT a.id, a.log, a.kind, c.hash, c.first, c.last FROM command c JOIN aggregate a ON a.key = c.aggregate WHERE c.id = ?", [command.id])
  if (!row) return undefined
  if (row.hash !== command.hash || row.id !== aggregate) throw new EventLogError("eventlog.conflict", `the command "${command.id}" was given before with another content; choose another id`)
  return repeated(row.log, row.kind, row.first, row.last)
}

/** The same events again, known by an id of one of them: they were appended together, so all must be the same. */
function twinOf(tx: Tx, { aggregate, events }: Append, texts: readonly string[]): Written | undefined {
  for (let i = 0; i < events.length; i++) {
    const { id } = events[i]!
    const place = id === undefined ? undefined : find(tx, aggregate, id)
    if (place === undefined) continue
    const divergent = new EventLogError("eventlog.divergent", `the event "${id}" was appended before, not to "${aggregate}" or with another content: an id is for one event`)
    const row = tx.get<{ key: number; log: string; kind: string }>("SELECT key, log, kind FROM aggregate WHERE id = ?", [aggregate])
    if (!row || place.aggregate !== row.key || place.seq <= i) throw divergent
    const first = place.seq - i
    for (const [n, event] of events.entries()) if (!isSame(tx, row, first + n, event, texts[n]!)) throw divergent
    return repeated(row.log, row.kind, first, first + events.length - 1)
  }
  return undefined
}

function find(tx: Tx, aggregate: string, id: string): { aggregate: number; seq: number } | undefined {
  const chosen = tx.get<{ aggregate: number; seq: number }>("SELECT aggregate, seq FROM event WHERE id = ?", [id])
  if (chosen || !id.startsWith("evt_")) return chosen
  const row = tx.get<{ key: number; log: string }>("SELECT key, log FROM aggregate WHERE id = ?", [aggregate])
  const seq = row && placeOf(row.log, id)
  return seq === undefined ? undefined : { aggregate: row!.key, seq }
}

interface SameRow { id: string | null; type: string; version: number; causation: string | null; correlation: string | null; data: string }

function isSame(tx: Tx, { key, log }: { key: number; log: string }, seq: number, { id, type, version = 1, causation, correlation }: NewEvent, text: string): boolean {
  const row = tx.get<SameRow>("SELECT e.id, t.text AS type, e.version, e.causation, e.correlation, e.data FROM event e JOIN name t ON t.key = e.type WHERE e.aggregate = ? AND e.seq = ?", [key, seq])
  if (!row || (id === undefined ? row.id !== null : id !== (row.id ?? idAt(log, seq)))) return false
  if (row.type !== type || row.version !== version || row.causation !== (causation ?? null) || row.correlation !== (correlation ?? null)) return false
  return row.data === text || isDeepStrictEqual(JSON.parse(row.data), JSON.parse(text))
}

const repeated = (log: string, kind: string, first: number, last: number): Written => ({ first, last, cursor: cursorAt(log, last), repeated: true, kind, events: [], named: new Map() })

export function nameIn(tx: Tx, name: string, named: Map<string, number>): number {
  const row = tx.get<{ key: number }>("SELECT key FROM name WHERE text = ?", [name]) ?? tx.get<{ key: number }>("INSERT INTO name (text) VALUES (?) RETURNING key", [name])
  named.set(name, row!.key)
  return row!.key
}
