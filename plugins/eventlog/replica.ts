/** Events of another log, taken over as they are: the same places, names, epochs and times. What is there already has to be the same. */
import { isDeepStrictEqual } from "node:util"
import type { Tx } from "../store/contract.ts"
import { isText, nameIn, type Known } from "./append.ts"
import type { Json, Replicated, StoredEvent } from "./contract.ts"
import { EventLogError, replicaOf, unknownAggregate } from "./errors.ts"
import { idAt } from "./identity.ts"
import type { Projections } from "./projections.ts"
import type { EventRow, Reader } from "./reader.ts"
import { CURRENT, INSERT, PAGE } from "./tables.ts"

export interface Replication { aggregate: string; owner: string; events: readonly Replicated[]; /** Their data as it will be stored. */ texts: readonly string[]; known: Known }

interface Head { key: number; log: string; seq: number; epoch: number; last: number | null; replay_owner: string | null; current: string }
const HEAD = `SELECT a.key, a.log, a.seq, a.epoch, a.replay_owner, (SELECT epoch FROM event WHERE aggregate = a.key AND seq = a.seq) AS last, ${CURRENT} AS current FROM aggregate a WHERE a.id = ?`

export function replicate(tx: Tx, { aggregate, owner, events, texts, known }: Replication, projections: Projections, reader: Reader): { head: number; added: number; named: Map<string, number> } {
  const row = tx.get<Head>(HEAD, [aggregate])
  if (!row) throw unknownAggregate(aggregate)
  if (row.replay_owner === null) throw new EventLogError("eventlog.replica", `"${aggregate}" is no replica: claim it as one first`)
  if (row.replay_owner !== owner) throw replicaOf(aggregate, row.replay_owner)
  const { key, log } = row
  const named = new Map<string, number>()
  const number = (name: string): number => known.get(name) ?? named.get(name) ?? nameIn(tx, name, named)
  projections.level(tx, row.current, events)
  let [head, epoch] = [row.seq, row.last ?? 0]
  for (const [i, event] of events.entries()) {
    check(event, aggregate)
    const stored: StoredEvent = { ...event, id: event.id ?? idAt(log, event.seq), position: 0, data: JSON.parse(texts[i]!) as Json }
    if (event.seq <= head) {
      if (!isThere(tx, row, stored, reader)) throw new EventLogError("eventlog.divergent", `event ${event.seq} of "${aggregate}" is another one here: these are two histories`)
      continue
    }
    if (event.seq > head + 1) throw new EventLogError("eventlog.gap", `"${aggregate}" ends at ${head}, and event ${event.seq} was given: those between are missing`)
    if (event.epoch < epoch) throw new EventLogError("eventlog.invalid", `event ${event.seq} of "${aggregate}" is of epoch ${event.epoch}, the one before it of ${epoch}: epochs never fall`)
    const own = stored.id === idAt(log, event.seq)
    if (!own && tx.get("SELECT 1 FROM event WHERE id = ?", [stored.id])) throw new EventLogError("eventlog.divergent", `the event "${stored.id}" is in this log already, at another place`)
    stored.position = tx.run(INSERT, [key, event.seq, number(event.type), event.version, event.epoch, number(event.actor), event.created, own ? null : stored.id, event.causation ?? null, event.correlation ?? null, texts[i]!]).rowid
    projections.project(tx, reader.today(stored))
    ;[head, epoch] = [event.seq, event.epoch]
  }
  tx.run("UPDATE aggregate SET seq = ?, epoch = max(epoch, ?) WHERE key = ?", [head, epoch, key])
  return { head, added: head - row.seq, named }
}

function check({ aggregate, seq, version, epoch, created, actor }: Replicated, of: string): void {
  const numbers = [seq, version, epoch, created].every((n) => Number.isSafeInteger(n) && n >= 0) && seq > 0
  if (aggregate !== of || !numbers || !isText(actor)) throw new EventLogError("eventlog.invalid", `an event for the replica "${of}": "aggregate" is this one, "actor" a text, "seq", "version", "epoch" and "created" are whole numbers`)
}

/** Both as they read today: what was read from a log may have been brought up to date on the way. */
function isThere(tx: Tx, { key, log, seq }: Head, event: StoredEvent, reader: Reader): boolean {
  const row = tx.get<EventRow>(PAGE, [key, event.seq - 1, seq, 1])
  const found = row && { ...row, aggregate: event.aggregate, log }
  const there = found && reader.reading(tx)([found])(found)
  return there !== undefined && isDeepStrictEqual({ ...there, position: 0 }, definedOf(reader.today(event)))
}

const definedOf = (event: StoredEvent): StoredEvent => Object.fromEntries(Object.entries(event).filter(([, value]) => value !== undefined)) as unknown as StoredEvent
