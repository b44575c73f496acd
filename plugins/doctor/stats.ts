/** Where the bytes are: by table, by type of event, and as a multiple of what was said. */
import { statSync } from "node:fs"
import type { Graft } from "graft"
import type { Stats } from "./contract.ts"

/** Where an event holds what a person, a model or a tool said. */
const TEXTS: Record<string, string> = { "session.input.admitted": "$.text", "message.created": "$.text", "message.part.appended": "$.text", "tool.called": "$.input", "tool.settled": "$.output" }

export async function stats(graft: Graft): Promise<Stats> {
  const { store } = graft
  await graft.eventlog.head("")
  const { file, bytes } = await store.info()
  const { freelist_count: pages } = (await store.get<{ freelist_count: number }>("PRAGMA freelist_count"))!
  const { page_size: size } = (await store.get<{ page_size: number }>("PRAGMA page_size"))!
  const blobs = { count: 0, bytes: 0 }
  for await (const blob of store.blobs()) {
    blobs.count++
    blobs.bytes += blob.bytes
  }
  const events = await store.all<{ type: string; count: number; bytes: number }>("SELECT t.text AS type, count(*) AS count, sum(length(CAST(e.data AS BLOB))) AS bytes FROM event e JOIN name t ON t.key = e.type GROUP BY e.type ORDER BY 3 DESC")
  const { n: aggregates } = (await store.get<{ n: number }>("SELECT count(*) AS n FROM aggregate"))!
  const text = await textOf(graft)
  const free = pages * size
  return {
    file, bytes, free, blobs, events, aggregates, text, tables: await tablesOf(graft),
    wal: statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0,
    ...(text > 0 && { ratio: (bytes - free) / text }),
  }
}

async function tablesOf({ store }: Graft): Promise<Stats["tables"]> {
  const tables = await store.all<{ name: string; bytes: number }>("SELECT s.tbl_name AS name, sum(d.pgsize) AS bytes FROM dbstat d JOIN sqlite_schema s ON s.name = d.name GROUP BY s.tbl_name ORDER BY 2 DESC, 1")
  return Promise.all(tables.map(async ({ name, bytes }) => ({ name, bytes, rows: (await store.get<{ n: number }>(`SELECT count(*) AS n FROM "${name.replaceAll('"', '""')}"`))!.n })))
}

async function textOf({ store }: Graft): Promise<number> {
  let text = 0
  for (const [type, path] of Object.entries(TEXTS)) {
    const { bytes } = (await store.get<{ bytes: number | null }>("SELECT sum(length(CAST(CASE WHEN json_valid(e.data) THEN json_extract(e.data, ?) END AS BLOB))) AS bytes FROM event e WHERE e.type = (SELECT key FROM name WHERE text = ?)", [path, type]))!
    text += bytes ?? 0
  }
  return text
}
