/** What may go: sessions by the settings, then blobs that no event names any more, then the room that both left. */
import { messageOf, type Graft } from "graft"
import type { Pruned } from "./contract.ts"
import { everyEvent, namesIn } from "./scan.ts"
import type { Retention } from "./section.ts"

const DAY = 86_400_000

interface Row { id: string; title: string; updated: number; archived: number | null; settled: number }
const SESSIONS = `SELECT id, title, updated, archived, status IN ('idle', 'failed') AND NOT EXISTS (SELECT 1 FROM session_input i WHERE i.session = s.id AND i.state = 'pending' AND i.resume = 1) AS settled
  FROM session s WHERE parent IS NULL ORDER BY updated DESC, id DESC`

export async function prune(graft: Graft, { dryRun = false, signal }: { dryRun?: boolean; signal?: AbortSignal } = {}): Promise<Pruned> {
  const retention = (await graft.config.get<Retention>("retention")) ?? {}
  // The read model's tables are there once somebody has read it.
  await graft.session.list({ limit: 1 })
  const over = overdue(await graft.store.all<Row>(SESSIONS), retention, Date.now())
  const sessions: Pruned["sessions"] = []
  const kept: Pruned["kept"] = []
  for (const { id, title, updated } of over) {
    signal?.throwIfAborted()
    try {
      if (!dryRun) await graft.session.remove(id)
      sessions.push({ id, title, updated })
    } catch (error) {
      kept.push({ id, reason: messageOf(error) })
    }
  }
  const blobs = await pruneBlobs(graft, new Set(dryRun ? sessions.map(({ id }) => id) : []), dryRun, signal)
  return { dryRun, sessions, kept, blobs, ...(!dryRun && { freed: blobs.bytes + (await graft.store.shrink()).bytes }) }
}

/** Latest first in, oldest first out. Pure. */
export function overdue(rows: readonly Row[], { days, sessions, archivedOnly = false }: Retention, now: number): Row[] {
  if (days === undefined && sessions === undefined) return []
  const old = ({ updated }: Row, place: number) => (days !== undefined && updated < now - days * DAY) || (sessions !== undefined && place >= sessions)
  return rows.filter((row, place) => old(row, place) && row.settled === 1 && (!archivedOnly || row.archived !== null)).reverse()
}

/** Who keeps a blob puts it first and names it then: one that is a day old, and that no event names, is nobody's. `gone` are sessions that count as removed. */
async function pruneBlobs(graft: Graft, gone: ReadonlySet<string>, dryRun: boolean, signal?: AbortSignal): Promise<Pruned["blobs"]> {
  const before = Date.now() - DAY
  const loose = new Map<string, number>()
  for await (const { sha256, bytes, put } of graft.store.blobs()) if (put < before) loose.set(sha256, bytes)
  if (loose.size > 0) for await (const { aggregate, data } of everyEvent(graft, signal)) if (!gone.has(aggregate)) for (const name of namesIn(data)) loose.delete(name)
  const blobs = { count: 0, bytes: 0 }
  for (const [sha256, bytes] of loose) {
    if (!dryRun && !(await graft.store.dropBlob(sha256, before))) continue
    blobs.count++
    blobs.bytes += bytes
  }
  return blobs
}
