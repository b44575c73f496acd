/** Every event of the database as it lies there, a page at a time and never under a lock: what cannot be parsed is seen too. */
import type { Graft } from "graft"

export interface Row { aggregate: string; seq: number; epoch: number; type: string; data: string }

const PAGE = 1_000
const EVENTS = `SELECT g.id AS aggregate, e.seq, e.epoch, t.text AS type, e.data FROM event e JOIN name t ON t.key = e.type JOIN aggregate g ON g.key = e.aggregate`

/** Of one aggregate, in order. */
export async function* eventsOf({ store }: Pick<Graft, "store">, key: number, signal?: AbortSignal): AsyncGenerator<Row> {
  for (let after = 0; ; ) {
    signal?.throwIfAborted()
    const rows = await store.all<Row>(`${EVENTS} WHERE e.aggregate = ? AND e.seq > ? ORDER BY e.seq LIMIT ?`, [key, after, PAGE])
    yield* rows
    if (rows.length < PAGE) return
    after = rows.at(-1)!.seq
  }
}

/** Of all, in the order of their commits. */
export async function* everyEvent({ store }: Pick<Graft, "store">, signal?: AbortSignal): AsyncGenerator<Row> {
  for (let after = 0; ; ) {
    signal?.throwIfAborted()
    const rows = await store.all<Row & { position: number }>(`${EVENTS.replace("SELECT", "SELECT e.position,")} WHERE e.position > ? ORDER BY e.position LIMIT ?`, [after, PAGE])
    yield* rows
    if (rows.length < PAGE) return
    after = rows.at(-1)!.position
  }
}

/** Whatever could be the name of a blob. Where it stands says nothing: a plugin may keep one under any key. */
export const namesIn = (data: string): string[] => data.match(/(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g) ?? []
/** What an event says is a blob. A key inside of a text would be escaped. */
export const blobsIn = (data: string): string[] => [...data.matchAll(/"(?:blob|context)":"([0-9a-f]{64})"/g)].map(([, sha256]) => sha256!)
