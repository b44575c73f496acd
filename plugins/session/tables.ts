/**
 * The read model of sessions. Text stays in the events: a message row says only where its events begin, a tool call's
 * row holds neither input nor output. Two impossible states cannot be written: two open activities in a session, and
 * two live attempts. The partial indexes are the questions asked at a start: what is pending, open, live, unsettled.
 */
import type { Migration } from "../store/contract.ts"

export const TABLES = ["session", "message", "session_input", "activity", "provider_attempt", "tool_call"] as const
/** Found by reading, so no projection: a rebuild cannot find it again, and leaves it. */
export const DAMAGE = "session_damage"

export const MIGRATIONS: readonly Migration[] = [
  {
    id: 1,
    name: "sessions",
    sql: `
      CREATE TABLE session (
        id TEXT PRIMARY KEY, parent TEXT, location TEXT NOT NULL, directory TEXT NOT NULL, title TEXT NOT NULL, agent TEXT, model TEXT,
        status TEXT NOT NULL, owner TEXT, created INTEGER NOT NULL, updated INTEGER NOT NULL, archived INTEGER,
        input INTEGER NOT NULL DEFAULT 0, output INTEGER NOT NULL DEFAULT 0, reasoning INTEGER NOT NULL DEFAULT 0,
        cache_read INTEGER NOT NULL DEFAULT 0, cache_write INTEGER NOT NULL DEFAULT 0, cost REAL) STRICT, WITHOUT ROWID;
      CREATE INDEX session_location ON session(location, updated DESC);
      CREATE INDEX session_updated ON session(updated DESC);

      CREATE TABLE message (
        session TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, role TEXT NOT NULL, first INTEGER NOT NULL,
        PRIMARY KEY (session, seq)) STRICT, WITHOUT ROWID;

      CREATE TABLE session_input (
        session TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, delivery TEXT NOT NULL CHECK (delivery IN ('steer', 'queue')),
        resume INTEGER NOT NULL, hash TEXT NOT NULL, text TEXT, admitted INTEGER NOT NULL, promoted INTEGER, activity TEXT,
        PRIMARY KEY (session, id)) STRICT, WITHOUT ROWID;
      CREATE INDEX input_pending ON session_input(session, admitted) WHERE state = 'pending';

      CREATE TABLE activity (
        session TEXT NOT NULL, id TEXT NOT NULL, ordinal INTEGER NOT NULL, state TEXT NOT NULL, by TEXT NOT NULL, opener TEXT,
        turn INTEGER NOT NULL, allowance INTEGER NOT NULL, recoveries INTEGER NOT NULL DEFAULT 0,
        outcome TEXT, reason TEXT, rule TEXT, error TEXT, opened INTEGER NOT NULL, settled INTEGER,
        PRIMARY KEY (session, id)) STRICT, WITHOUT ROWID;
      CREATE UNIQUE INDEX activity_one_open ON activity(session) WHERE state IN ('open', 'parked');
      CREATE UNIQUE INDEX activity_order ON activity(session, ordinal);

      CREATE TABLE provider_attempt (
        session TEXT NOT NULL, id TEXT NOT NULL, activity TEXT NOT NULL, turn INTEGER NOT NULL, n INTEGER NOT NULL, state TEXT NOT NULL,
        model TEXT NOT NULL, class TEXT NOT NULL, ref TEXT, not_before INTEGER, outcome TEXT, finish TEXT, usage TEXT, error TEXT,
        PRIMARY KEY (session, id)) STRICT, WITHOUT ROWID;
      CREATE UNIQUE INDEX attempt_one_live ON provider_attempt(session) WHERE state IN ('prepared', 'dispatched', 'streaming', 'waiting');

      CREATE TABLE tool_call (
        session TEXT NOT NULL, message TEXT NOT NULL, call TEXT NOT NULL, name TEXT NOT NULL, executed TEXT NOT NULL,
        recovery TEXT NOT NULL CHECK (recovery IN ('rerun', 'probe', 'unknown')), state TEXT NOT NULL, outcome TEXT, runs INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (session, message, call)) STRICT, WITHOUT ROWID;
      CREATE INDEX tool_unsettled ON tool_call(session) WHERE state <> 'settled';
    `,
  },
  { id: 2, name: "recovery", sql: "ALTER TABLE session ADD COLUMN boundary INTEGER;" },
  {
    id: 3,
    name: "life",
    sql: `
      ALTER TABLE session ADD COLUMN forked TEXT;
      ALTER TABLE session ADD COLUMN reverted TEXT;
      CREATE INDEX session_parent ON session(parent) WHERE parent IS NOT NULL;
      ALTER TABLE message ADD COLUMN hidden INTEGER;
      CREATE INDEX message_hidden ON message(session) WHERE hidden = 1;
      ALTER TABLE session_input ADD COLUMN kind TEXT NOT NULL DEFAULT 'user';
      ALTER TABLE session_input ADD COLUMN files TEXT;
      ALTER TABLE session_input ADD COLUMN data TEXT;
      CREATE TABLE session_damage (session TEXT PRIMARY KEY, seq INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
    `,
  },
]
