/**
 * Jobs as rows, moved by compare-and-set: whoever comes second with a move is refused, and everything in its commit with
 * it. That is the fence of a job; there is no other. The partial indexes are the questions of a start: what is not over?
 */
import { from, JOB, next } from "../lib/machine.ts"
import type { Projection, StoredEvent } from "../eventlog/contract.ts"
import type { Migration, SqlValue, Statement } from "../store/contract.ts"
import type { JobFacts } from "./contract.ts"

const MIGRATIONS: readonly Migration[] = [
  {
    id: 1,
    name: "jobs",
    sql: `
      CREATE TABLE job (
        id TEXT PRIMARY KEY, session TEXT NOT NULL, title TEXT NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('shell', 'subagent')), spec TEXT NOT NULL,
        state TEXT NOT NULL, delivery TEXT NOT NULL CHECK (delivery IN ('steer', 'queue', 'inform')), on_interrupt TEXT NOT NULL,
        input TEXT NOT NULL UNIQUE, origin TEXT, handle TEXT, child TEXT, owner TEXT,
        outcome TEXT, exit INTEGER, blob TEXT, bytes INTEGER, created INTEGER NOT NULL, settled INTEGER) STRICT, WITHOUT ROWID;
      CREATE INDEX job_session ON job(session, created DESC);
      CREATE INDEX job_live ON job(session) WHERE state IN ('opened', 'running', 'cancelling');
      CREATE TABLE shell (id TEXT NOT NULL, session TEXT NOT NULL, PRIMARY KEY (id, session)) STRICT, WITHOUT ROWID;
    `,
  },
]

interface Where { session: string; created: number }
type Project = { [T in keyof JobFacts]: (data: JobFacts[T], at: Where) => Statement[] }

const PROJECT: Project = {
  "job.opened": ({ job, title, spec, delivery, onInterrupt, input, origin }, { session, created }) => [{
    sql: "INSERT INTO job (id, session, title, kind, spec, state, delivery, on_interrupt, input, origin, created) VALUES (?, ?, ?, ?, ?, 'opened', ?, ?, ?, ?, ?)",
    params: [job, session, title, spec.kind, JSON.stringify(spec), delivery, onInterrupt, input, origin ? JSON.stringify(origin) : null, created],
  }],
  "job.started": ({ job, handle, child, owner }) => [move("job.started", job, "handle = ?, child = ?, owner = ?", [handle ? JSON.stringify(handle) : null, child ?? null, owner])],
  "job.cancel.requested": ({ job }) => [move("job.cancel.requested", job)],
  "job.settled": ({ job, outcome, exit, blob, bytes }, { created }) => [move("job.settled", job, "outcome = ?, exit = ?, blob = ?, bytes = ?, settled = ?", [outcome, exit ?? null, blob ?? null, bytes ?? null, created])],
  // Only while it runs: a row says that somebody has to see to it.
  "shell.started": ({ shell }, { session }) => [{ sql: "INSERT INTO shell (id, session) VALUES (?, ?)", params: [shell, session] }],
  "shell.settled": ({ shell }, { session }) => [{ sql: "DELETE FROM shell WHERE id = ? AND session = ?", params: [shell, session], expect: 1 }],
}

/** From any state that allows the event; another number of rows than one refuses the append. */
function move(event: keyof JobFacts, id: string, sets = "", params: SqlValue[] = []): Statement {
  const states = from(JOB, event)
  return {
    sql: `UPDATE job SET state = '${next(JOB, states[0]!, event)}'${sets && `, ${sets}`} WHERE id = ? AND state IN (${states.map((state) => `'${state}'`).join(", ")})`,
    params: [...params, id], expect: 1,
  }
}

export const jobProjection: Projection = {
  id: "job",
  types: Object.keys(PROJECT),
  migrations: MIGRATIONS,
  tables: ["job", "shell"],
  project({ type, aggregate, created, data }: StoredEvent) {
    const project = PROJECT[type as keyof JobFacts] as ((data: unknown, at: Where) => Statement[]) | undefined
    return project?.(data, { session: aggregate, created }) ?? []
  },
  forget: (session) => ["job", "shell"].map((table) => ({ sql: `DELETE FROM ${table} WHERE session = ?`, params: [session] })),
}
