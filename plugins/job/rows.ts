/** Questions to the rows: one job, some, and how many of a session are not over. */
import type { SqlValue, Store } from "../store/contract.ts"
import type { Job, JobDelivery, JobHandle, JobOutcome, JobSpec, JobState } from "./contract.ts"

type Read = Pick<Store, "get" | "all">

/** A job with what only its keeper needs. */
export interface Kept extends Job { input: string; handle?: JobHandle }

interface JobRow {
  id: string; session: string; title: string; spec: string; state: JobState; delivery: JobDelivery; on_interrupt: "keep" | "cancel"; input: string; origin: string | null
  handle: string | null; child: string | null; outcome: JobOutcome | null; exit: number | null; blob: string | null; bytes: number | null; created: number; settled: number | null
}

const MOST = 200
/** The condition of the partial index, so that it is used. */
const LIVE = "state IN ('opened', 'running', 'cancelling')"

export async function getJob(store: Read, id: string): Promise<Kept | undefined> {
  const row = await store.get<JobRow>("SELECT * FROM job WHERE id = ?", [id])
  return row && keptOf(row)
}

export async function listJobs(store: Read, { session, live }: { session?: string; live?: boolean }): Promise<Kept[]> {
  const wheres = [...(session === undefined ? [] : ["session = ?"]), ...(live ? [LIVE] : [])]
  const params: SqlValue[] = session === undefined ? [] : [session]
  const rows = await store.all<JobRow>(`SELECT * FROM job ${wheres.length > 0 ? `WHERE ${wheres.join(" AND ")}` : ""} ORDER BY created DESC, id DESC LIMIT ${MOST}`, params)
  return rows.map(keptOf)
}

export const liveJobs = async (store: Read, session: string): Promise<string[]> => (await store.all<{ id: string }>(`SELECT id FROM job WHERE session = ? AND ${LIVE}`, [session])).map(({ id }) => id)

/** The session of a person's command that has not ended. */
export const getShell = (store: Read, id: string): Promise<{ session: string } | undefined> => store.get("SELECT session FROM shell WHERE id = ?", [id])

/** What everybody may see. */
export const plainJob = ({ input: _input, handle: _handle, ...job }: Kept): Job => job

function keptOf(row: JobRow): Kept {
  return {
    id: row.id, session: row.session, title: row.title, spec: JSON.parse(row.spec) as JobSpec, state: row.state, delivery: row.delivery, onInterrupt: row.on_interrupt, input: row.input, created: row.created,
    ...(row.origin !== null && { origin: JSON.parse(row.origin) as { message: string; call: string } }), ...(row.handle !== null && { handle: JSON.parse(row.handle) as JobHandle }), ...(row.child !== null && { child: row.child }),
    ...(row.outcome !== null && { outcome: row.outcome }), ...(row.exit !== null && { exit: row.exit }), ...(row.bytes !== null && { output: { bytes: row.bytes, ...(row.blob !== null && { blob: row.blob }) } }), ...(row.settled !== null && { settled: row.settled }),
  }
}
