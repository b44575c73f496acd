/** Is the database whole? Its pages, its references, each log against the automata, each blob against its name. */
import { messageOf, type Graft } from "graft"
import { LogChecker } from "./automata.ts"
import type { Checked, Problem } from "./contract.ts"
import { blobsIn, eventsOf } from "./scan.ts"

const MOST = 1_000

export async function check(graft: Graft, { signal }: { signal?: AbortSignal } = {}): Promise<Checked> {
  const { store } = graft
  const found = new Findings()
  const { file } = await store.info()
  for (const { quick_check } of await store.all<{ quick_check: string }>("PRAGMA quick_check(100)")) if (quick_check !== "ok") found.add("sqlite", file, quick_check)
  for (const { table, parent, rowid } of await store.all<{ table: string; parent: string; rowid: number }>("PRAGMA foreign_key_check")) found.add("orphan", `${table} ${rowid}`, `it belongs to a row of ${parent} that is not there`)
  const wanted = new Map<string, string>()
  const { events, aggregates } = await checkLogs(graft, found, wanted, signal)
  await checkOrphans(graft, found)
  const blobs = await checkBlobs(graft, found, wanted, signal)
  return { file, events, aggregates, blobs, problems: found.problems, more: found.more }
}

class Findings {
  readonly problems: Problem[] = []
  more = 0
  add(law: string, where: string, what: string): void {
    if (this.problems.length < MOST) this.problems.push({ law, where, what })
    else this.more++
  }
}

/** `wanted` gets each blob that an event names, and who names it first. */
async function checkLogs(graft: Graft, found: Findings, wanted: Map<string, string>, signal?: AbortSignal): Promise<{ events: number; aggregates: number }> {
  const { store } = graft
  // The log's tables are there once somebody has read it.
  await graft.eventlog.head("")
  const aggregates = await store.all<{ key: number; id: string; kind: string }>("SELECT key, id, kind FROM aggregate ORDER BY key")
  let events = 0
  for (const { key, id, kind } of aggregates) {
    const checker = new LogChecker()
    let last = 0
    let readable = true
    for await (const row of eventsOf(graft, key, signal)) {
      events++
      last = row.seq
      for (const sha256 of blobsIn(row.data)) if (!wanted.has(sha256)) wanted.set(sha256, `${id} ${row.seq}`)
      if (!readable || kind !== "session") continue
      try {
        checker.accept({ ...row, data: JSON.parse(row.data) as unknown })
      } catch (error) {
        readable = false
        found.add("unreadable", `${id} ${row.seq}`, messageOf(error))
      }
    }
    if (readable && kind === "session") for (const { law, seq, what } of checker.end()) found.add(law, `${id} ${seq}`, what)
    // Now, because it may have grown meanwhile; and what was read is there as long as it is.
    const now = await store.get<{ seq: number; first: number | null; n: number }>("SELECT a.seq, min(e.seq) AS first, count(e.seq) AS n FROM aggregate a LEFT JOIN event e ON e.aggregate = a.key WHERE a.key = ?", [key])
    if (now && now.seq !== null && (now.n !== now.seq || (now.first ?? 1) !== 1 || now.seq < last)) found.add("S1", id, `its head is ${now.seq}, and ${now.n} events are there, from ${now.first ?? "none"}`)
  }
  return { events, aggregates: aggregates.length }
}

/** Rows of read models whose session is gone. */
async function checkOrphans(graft: Graft, found: Findings): Promise<void> {
  for (const { tables } of graft.all("projection")) {
    for (const table of tables) {
      const columns = await graft.store.all<{ name: string }>("SELECT name FROM pragma_table_info(?)", [table])
      if (!columns.some(({ name }) => name === "session")) continue
      const orphans = await graft.store.all<{ session: string; n: number }>(`SELECT session, count(*) AS n FROM "${table.replaceAll('"', '""')}" WHERE session NOT IN (SELECT id FROM aggregate) GROUP BY session LIMIT 100`)
      for (const { session, n } of orphans) found.add("orphan", table, `${n} rows of ${session}, which is not in the log`)
    }
  }
}

async function checkBlobs(graft: Graft, found: Findings, wanted: ReadonlyMap<string, string>, signal?: AbortSignal): Promise<number> {
  const left = new Map(wanted)
  let blobs = 0
  for await (const { sha256 } of graft.store.blobs()) {
    signal?.throwIfAborted()
    blobs++
    left.delete(sha256)
    try {
      await graft.store.getBlob(sha256)
    } catch (error) {
      found.add("blob", sha256, messageOf(error))
    }
  }
  // One that was put while the files were listed.
  for (const [sha256, by] of left) if (!(await graft.store.getBlob(sha256).catch(() => undefined))) found.add("blob", sha256, `${by} refers to it, and it is not there`)
  return blobs
}
