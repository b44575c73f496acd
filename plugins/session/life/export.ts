/**
 * A session as JSON lines: a line that says what follows, each event as it is in the log, each blob before the first event
 * that names it, and a line that says how much there was, so that a file that was cut is noticed. The same session gives
 * the same lines.
 */
import type { StoredEvent } from "../../eventlog/contract.ts"
import { codeOf, type Context } from "../context.ts"
import { SessionError } from "../errors.ts"
import { orDamaged } from "./damage.ts"
import { childrenOf } from "./remove.ts"

export const FORMAT = 1
export interface HeadLine { graft: "session"; format: number; session: string; log: string; events: number }
export interface BlobLine { blob: string; data: string }
export type EventLine = Omit<StoredEvent, "aggregate" | "position">
export interface EndLine { end: string; events: number; blobs: number }

const PAGE = 1_024

export async function* exportLines(context: Context, id: string, { until }: { until?: number }): AsyncGenerator<string> {
  const { graft, known } = context
  await known(id)
  const { cursor, seq } = (await graft.eventlog.head(id))!
  if (until !== undefined && !(Number.isInteger(until) && until >= 1 && until <= seq)) throw new SessionError("session.invalid", `session ${id} has events 1 to ${seq}: it cannot be exported until ${until}`)
  const events = until ?? seq
  const line = (content: HeadLine | BlobLine | EventLine | EndLine) => JSON.stringify(content)
  yield line({ graft: "session", format: FORMAT, session: id, log: cursor.slice(0, cursor.lastIndexOf(":")), events })
  const blobs = new Set<string>()
  let kept = 0
  for (let after = 0; after < events; ) {
    const page = await orDamaged(context, id, () => graft.eventlog.read({ aggregate: id, after, limit: Math.min(PAGE, events - after) }))
    for (const { aggregate: _, position: __, ...event } of page.events) {
      for (const blob of blobsIn(event)) {
        if (blobs.has(blob)) continue
        blobs.add(blob)
        const bytes = await contentOf(context, blob)
        if (!bytes) continue
        kept++
        yield line({ blob, data: Buffer.from(bytes).toString("base64") })
      }
      yield line(event)
      after = event.seq
    }
  }
  yield line({ end: id, events, blobs: kept })
  if (until === undefined) for (const child of await childrenOf(context, id)) yield* exportLines(context, child, {})
}

/** Whatever looks like the name of one: what is none is not found. Of a text's own hash that is known. */
const blobsIn = ({ type, data }: EventLine): string[] => (type === "message.part.settled" ? [] : [...JSON.stringify(data).matchAll(/"([0-9a-f]{64})"/g)].map(([, name]) => name!))

/** One that was damaged is lost; the rest need not be. */
async function contentOf({ graft }: Context, blob: string): Promise<Uint8Array | undefined> {
  try {
    return await graft.store.getBlob(blob)
  } catch (error) {
    if (codeOf(error) !== "store.corrupt") throw error
    graft.log.warn(`an export goes without the blob ${blob}:`, error)
    return undefined
  }
}
