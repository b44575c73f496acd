/** Questions to the read model: one session, many, its inputs, its latest activity, and a page of its conversation. */
import type { EventLog, Json } from "../eventlog/contract.ts"
import type { SqlValue, Statement, Store } from "../store/contract.ts"
import { addUsage, endedOf, noUsage } from "../lib/ended.ts"
import type { ActivityState } from "../lib/machine.ts"
import { emptyTranscript, evolveTranscript } from "../lib/transcript.ts"
import type { Attachment, Delivery, Ended, Failure, InputKind, Message, Receipt, Session, SessionStatus, Usage, Waiting } from "./contract.ts"
import { DAMAGE } from "./tables.ts"

type Read = Pick<Store, "get" | "all">

interface SessionRow {
  id: string; parent: string | null; location: string; directory: string; title: string; agent: string | null; model: string | null
  status: SessionStatus; created: number; updated: number; archived: number | null
  input: number; output: number; reasoning: number; cache_read: number; cache_write: number; cost: number | null
  forked: string | null; damaged: number | null; damage: string | null
}
interface ActivityRow { id: string; state: ActivityState; turn: number; outcome: "completed" | "failed" | null; reason: string | null; rule: string | null; error: string | null }
export interface InputRow { id: string; hash: string; admitted: number; state: Receipt["state"] }

const SESSION = `SELECT s.*, d.seq AS damaged, d.reason AS damage FROM session s LEFT JOIN ${DAMAGE} d ON d.session = s.id`

export async function getSession(store: Read, id: string): Promise<Session | undefined> {
  const row = await store.get<SessionRow>(`${SESSION} WHERE s.id = ?`, [id])
  return row && sessionOf(row)
}

/** Latest first. */
export async function listSessions(store: Read, { location, limit = 50, archived = false, children = true }: { location?: string; limit?: number; archived?: boolean; children?: boolean }): Promise<Session[]> {
  const params: SqlValue[] = location === undefined ? [] : [location]
  const rows = await store.all<SessionRow>(
    `${SESSION} WHERE ${location === undefined ? "1" : "s.location = ?"} AND s.archived IS ${archived ? "NOT NULL" : "NULL"}${children ? "" : " AND s.parent IS NULL"} ORDER BY s.updated DESC, s.id DESC LIMIT ?`,
    [...params, Math.min(Math.max(1, Math.trunc(limit) || 1), 1_000)],
  )
  return rows.map(sessionOf)
}

export const getInput = (store: Read, session: string, input: string): Promise<InputRow | undefined> =>
  store.get<InputRow>("SELECT id, hash, admitted, state FROM session_input WHERE session = ? AND id = ?", [session, input])

/** Refuses the append that it goes along with where more inputs than this would wait. */
export const atMostPending = (session: string, most: number): Statement =>
  ({ sql: "UPDATE session SET updated = updated WHERE id = ? AND (SELECT count(*) FROM session_input WHERE session = ? AND state = 'pending') <= ?", params: [session, session, most], expect: 1 })

export async function countPending(store: Read, session: string): Promise<number> {
  return (await store.get<{ n: number }>("SELECT count(*) AS n FROM session_input WHERE session = ? AND state = 'pending'", [session]))!.n
}

interface WaitingRow { id: string; text: string; delivery: Delivery; resume: number; kind: InputKind; files: string | null; data: string | null }

export async function inboxOf(store: Read, session: string): Promise<Waiting[]> {
  const rows = await store.all<WaitingRow>("SELECT id, text, delivery, resume, kind, files, data FROM session_input WHERE session = ? AND state = 'pending' ORDER BY admitted", [session])
  return rows.map(({ resume, kind, files, data, ...row }) => ({
    ...row, resume: resume === 1, ...(kind !== "user" && { kind }), ...(files !== null && { files: JSON.parse(files) as Attachment[] }), ...(data !== null && { data: JSON.parse(data) as Json }),
  }))
}

/** The first condition is the partial index's own, so that it is used. */
export async function unfinishedOf(store: Read, location: string, owner: string): Promise<string[]> {
  const rows = await store.all<{ id: string }>("SELECT s.id FROM activity a JOIN session s ON s.id = a.session WHERE a.state IN ('open', 'parked') AND a.state = 'open' AND s.owner = ? AND s.location = ?", [owner, location])
  return rows.map((row) => row.id)
}

/** What waits for a person's decision starts nothing by itself. */
const UNDECIDED = "SELECT 1 FROM activity u WHERE u.session = i.session AND u.state IN ('open', 'parked') AND u.state = 'parked' AND u.reason = 'needs-decision'"

/** Does anything of this session run, or is anything eligible to? */
export async function isBusy(store: Read, session: string): Promise<boolean> {
  const row = await store.get(
    `SELECT 1 FROM activity WHERE session = ? AND state = 'open' UNION ALL SELECT 1 FROM session_input i WHERE i.session = ? AND i.state = 'pending' AND i.resume = 1 AND NOT EXISTS (${UNDECIDED}) LIMIT 1`,
    [session, session],
  )
  return row !== undefined
}

/** Sessions of a project of which that is true, latest first; two partial indexes know them, whatever the number of sessions. */
export async function openOf(store: Read, location: string): Promise<string[]> {
  const rows = await store.all<{ id: string }>(
    `SELECT id FROM session WHERE location = ? AND id IN (
      SELECT session FROM activity WHERE state IN ('open', 'parked') AND state = 'open'
      UNION SELECT i.session FROM session_input i WHERE i.state = 'pending' AND i.resume = 1 AND NOT EXISTS (${UNDECIDED})) ORDER BY updated DESC`,
    [location],
  )
  return rows.map((row) => row.id)
}

/** The attempt that a person has to decide about. */
export const undecidedOf = (store: Read, session: string): Promise<{ activity: string; attempt: string } | undefined> =>
  store.get("SELECT a.id AS activity, p.id AS attempt FROM activity a JOIN provider_attempt p ON p.session = a.session AND p.activity = a.id AND p.state = 'unknown' WHERE a.session = ? AND a.state IN ('open', 'parked') AND a.reason = 'needs-decision'", [session])

/** How the latest activity ended; a session that never worked is done. */
export async function endOf(store: Read, session: string): Promise<Ended> {
  const activity = await store.get<ActivityRow>("SELECT id, state, turn, outcome, reason, rule, error FROM activity WHERE session = ? ORDER BY ordinal DESC LIMIT 1", [session])
  if (!activity) return endedOf(session, undefined, noUsage(), 0)
  // Attempts of `a3` are `a3.…`: "/" follows "." in bytes.
  const attempts = await store.all<{ usage: string }>("SELECT usage FROM provider_attempt WHERE session = ? AND id > ? AND id < ? AND usage IS NOT NULL", [session, `${activity.id}.`, `${activity.id}/`])
  const usage = attempts.map((attempt) => JSON.parse(attempt.usage) as Usage).reduce(addUsage, noUsage())
  const { state, outcome, reason, rule, error } = activity
  const standing = { state, ...(outcome && { outcome }), ...(reason && { reason }), ...(rule && { rule }), ...(error && { error: JSON.parse(error) as Failure }) }
  return endedOf(session, standing, usage, activity.turn)
}

/** A page of the conversation, folded from the events of its messages alone. */
export async function pageMessages(store: Read, log: Pick<EventLog, "read">, session: string, { after = 0, limit: wanted = 100 }: { after?: number; limit?: number }): Promise<Message[]> {
  const limit = Math.min(Math.max(1, Math.trunc(wanted) || 1), 1_000)
  const rows = await store.all<{ id: string; seq: number; first: number }>("SELECT id, seq, first FROM message WHERE session = ? AND seq > ? AND hidden IS NULL ORDER BY seq LIMIT ?", [session, after, limit + 1])
  const page = rows.slice(0, limit)
  if (page.length === 0) return []
  const end = rows[limit]?.seq ?? Infinity
  const transcript = emptyTranscript(session)
  let cursor = Math.min(...page.map((row) => row.first)) - 1
  for (;;) {
    const { events, head } = await log.read({ aggregate: session, after: cursor, limit: 2_048 })
    // What is hidden now the rows say.
    for (const event of events) if (event.seq < end && event.type !== "session.reverted") evolveTranscript(transcript, event)
    cursor = events.at(-1)?.seq ?? head
    if (cursor >= Math.min(head, end - 1)) break
  }
  return page.flatMap((row) => transcript.byId.get(row.id) ?? [])
}

function sessionOf(row: SessionRow): Session {
  return {
    id: row.id, location: row.location, directory: row.directory, title: row.title, status: row.damaged === null ? row.status : "damaged", created: row.created, updated: row.updated,
    ...(row.parent !== null && { parent: row.parent }), ...(row.agent !== null && { agent: row.agent }), ...(row.model !== null && { model: row.model }), ...(row.archived !== null && { archived: row.archived }),
    ...(row.forked !== null && { forked: row.forked }), ...(row.damaged !== null && { damage: { seq: row.damaged, reason: row.damage! } }),
    usage: { input: row.input, output: row.output, reasoning: row.reasoning, cacheRead: row.cache_read, cacheWrite: row.cache_write, ...(row.cost !== null && { cost: row.cost }) },
  }
}
