/**
 * The log's tables. They are lean, because the log outgrows everything else: names of types and actors are numbers, an
 * event's id is stored only where its writer chose it, and text stands once, in `data`. Positions are never used again,
 * and an aggregate is one row that holds its claim, its sequence and whether it is a replica, so one statement can
 * check all three.
 */
import type { Migration, Store } from "../store/contract.ts"

export const MIGRATIONS: readonly Migration[] = [
  {
    id: 1,
    name: "log",
    sql: `
      CREATE TABLE name (key INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

      CREATE TABLE aggregate (
        key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, log TEXT NOT NULL, seq INTEGER NOT NULL DEFAULT 0,
        epoch INTEGER NOT NULL DEFAULT 0, owner TEXT, replay_owner TEXT, created INTEGER NOT NULL,
        CHECK (owner IS NULL OR replay_owner IS NULL)) STRICT;
      CREATE INDEX aggregate_owned ON aggregate(owner) WHERE owner IS NOT NULL;

      CREATE TABLE event (
        position INTEGER PRIMARY KEY AUTOINCREMENT, aggregate INTEGER NOT NULL REFERENCES aggregate(key), seq INTEGER NOT NULL,
        type INTEGER NOT NULL REFERENCES name(key), version INTEGER NOT NULL, epoch INTEGER NOT NULL, actor INTEGER NOT NULL REFERENCES name(key),
        created INTEGER NOT NULL, id TEXT, causation TEXT, correlation TEXT, data TEXT NOT NULL) STRICT;
      CREATE UNIQUE INDEX event_order ON event(aggregate, seq);
      CREATE UNIQUE INDEX event_id ON event(id) WHERE id IS NOT NULL;

      CREATE TABLE command (
        id TEXT PRIMARY KEY, aggregate INTEGER NOT NULL REFERENCES aggregate(key), kind TEXT NOT NULL, hash TEXT NOT NULL,
        first INTEGER NOT NULL, last INTEGER NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;

      CREATE TABLE projection (id TEXT PRIMARY KEY, behind INTEGER) STRICT, WITHOUT ROWID;

      CREATE TABLE runtime (id TEXT PRIMARY KEY, pid INTEGER NOT NULL, host TEXT NOT NULL, started INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    `,
  },
]

/** Sees to it that the tables are there; once is enough. */
export function tablesIn(store: Store): () => Promise<void> {
  let made: Promise<void> | undefined
  return () => (made ??= store.migrate("eventlog", MIGRATIONS).catch((error: unknown) => {
    made = undefined
    throw error
  }))
}

/** The projections that have taken in every event. */
export const CURRENT = "(SELECT coalesce(group_concat(id, ' '), '') FROM projection WHERE behind IS NULL)"
export const ALLOCATE = `UPDATE aggregate SET seq = seq + ? WHERE id = ? AND replay_owner IS NULL AND (? IS NULL OR epoch = ?) RETURNING key, seq, log, kind, epoch, ${CURRENT} AS current`
export const INSERT = "INSERT INTO event (aggregate, seq, type, version, epoch, actor, created, id, causation, correlation, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
export const CLAIM = "UPDATE aggregate SET epoch = epoch + 1, owner = ? WHERE id = ? AND replay_owner IS NULL AND (owner IS NULL OR owner = ? OR owner = ?) RETURNING epoch"
/** As the claim: `coalesce(owner, replay_owner)` is who was seen to hold it. Whom it is taken from can never append again. */
export const CLAIM_REPLAY = "UPDATE aggregate SET replay_owner = ?, epoch = epoch + (owner IS NOT NULL), owner = NULL WHERE id = ? AND log = coalesce(?, log) AND coalesce(owner, replay_owner) IS ? RETURNING key"
export const CREATE = "INSERT INTO aggregate (id, kind, log, created) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"

const EVENT = "SELECT e.seq, e.position, e.id, e.type, e.version, e.epoch, e.actor, e.created, e.causation, e.correlation, e.data FROM event e"
const OF_TYPES = "e.type IN (SELECT key FROM name WHERE text IN (SELECT value FROM json_each(?)))"
export const PAGE = `${EVENT} WHERE e.aggregate = ? AND e.seq > ? AND e.seq <= ? ORDER BY e.seq LIMIT ?`
export const PAGE_OF_TYPES = `${EVENT} WHERE e.aggregate = ? AND e.seq > ? AND e.seq <= ? AND ${OF_TYPES} ORDER BY e.seq LIMIT ?`
/** Of every aggregate, in the order of their commits. */
export const HISTORY = `${EVENT.replace("SELECT", "SELECT g.id AS aggregate, g.log,")} JOIN aggregate g ON g.key = e.aggregate WHERE e.position >= ? AND ${OF_TYPES} ORDER BY e.position LIMIT ?`
