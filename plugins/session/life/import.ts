/**
 * Sessions out of JSON lines. All lines are read and checked before anything of them is a session here; then each is the
 * very log that was exported, or, where it is here already, compared with it. An import starts nothing: work that was open
 * when it was exported is interrupted.
 */
import type { Replicated } from "../../eventlog/contract.ts"
import { codeOf, type Context } from "../context.ts"
import type { Session } from "../contract.ts"
import { SessionError } from "../errors.ts"
import { isBusy } from "../rows.ts"
import { FORMAT, type EventLine, type HeadLine } from "./export.ts"

/** Characters of all events; events taken over in one commit. */
const MOST = 512 * 1024 * 1024
const PAGE = 4_096
const ID = /^[A-Za-z][\w-]{0,99}$/

interface Block { head: HeadLine; events: Replicated[] }

export async function importLines(context: Context, lines: AsyncIterable<string>): Promise<Session> {
  const blocks = await readBlocks(context, lines)
  for (const block of blocks) await take(context, block)
  return context.known(blocks[0]!.head.session)
}

async function readBlocks({ graft }: Context, lines: AsyncIterable<string>): Promise<Block[]> {
  const blocks: Block[] = []
  let block: Block | undefined
  let [number, size] = [0, 0]
  for await (const text of lines) {
    number++
    if (text.trim() === "") continue
    const wrong = (what: string) => new SessionError("session.import", `line ${number}: ${what}`)
    const line = parsed(text, wrong)
    if (block === undefined) {
      block = { head: headOf(line, wrong), events: [] }
    } else if ("blob" in line) {
      const { blob, data } = line
      if (typeof blob !== "string" || typeof data !== "string") throw wrong('a blob has its name and its "data"')
      const { sha256 } = await graft.store.putBlob(Buffer.from(data, "base64"))
      if (sha256 !== blob) throw wrong(`what is said to be the blob ${blob} is another: the line was changed or damaged`)
    } else if ("end" in line) {
      if (line.end !== block.head.session || line.events !== block.events.length) throw wrong(`session ${block.head.session} ends here after ${block.events.length} events, and had ${String(line.events)}: lines are missing`)
      blocks.push(block)
      block = undefined
    } else {
      size += text.length
      if (size > MOST) throw wrong(`this is more than ${MOST} characters of events`)
      block.events.push(eventOf(line, block, wrong))
    }
  }
  if (block) throw new SessionError("session.import", `line ${number}: the lines end in the middle of session ${block.head.session}, after ${block.events.length} of ${block.head.events} events: the file was cut off`)
  if (blocks.length === 0) throw new SessionError("session.import", "there is not a line: this is no export of a session")
  return blocks
}

type Line = Record<string, unknown>
type Wrong = (what: string) => SessionError

function parsed(text: string, wrong: Wrong): Line {
  try {
    const line = JSON.parse(text) as unknown
    if (typeof line === "object" && line !== null && !Array.isArray(line)) return line as Line
  } catch (error) {
    throw wrong(`it is not JSON (${(error as Error).message})`)
  }
  throw wrong("it is JSON, and no object")
}

function headOf(line: Line, wrong: Wrong): HeadLine {
  const head = line as unknown as HeadLine
  if (head.graft !== "session") throw wrong(`it does not begin a session ({"graft": "session", …}): this is no export, or its beginning is missing`)
  if (head.format !== FORMAT) throw wrong(`it is of format ${String(head.format)}, and this program reads ${FORMAT}: update it`)
  if (!ID.test(String(head.session)) || !/^[\w-]{1,64}$/.test(String(head.log)) || !Number.isInteger(head.events)) throw wrong('"session", "log" and "events" are not what they should be')
  return head
}

function eventOf(line: Line, { head, events }: Block, wrong: Wrong): Replicated {
  const event = line as unknown as EventLine
  const { id, seq, type, version, epoch, actor, created, causation, correlation, data } = event
  if (seq !== events.length + 1) throw wrong(`event ${events.length + 1} of session ${head.session} was to come, and this is ${typeof seq === "number" ? `event ${seq}` : "none"}: lines are missing or changed`)
  if (seq === 1 && type !== "session.created") throw wrong(`a session begins with session.created, and this is ${String(type)}`)
  const fits = [id, type, actor].every((value) => typeof value === "string") && [version, epoch, created].every(Number.isSafeInteger) && data !== undefined && [causation, correlation].every((value) => value === undefined || typeof value === "string")
  if (!fits) throw wrong(`event ${seq} is not what an event should be`)
  return { aggregate: head.session, id, seq, type, version, epoch, actor, created, data, ...(causation !== undefined && { causation }), ...(correlation !== undefined && { correlation }) }
}

async function take({ graft }: Context, { head: { session, log }, events }: Block): Promise<void> {
  const { eventlog, store } = graft
  const owner = await eventlog.runtime()
  const fresh = (await eventlog.head(session)) === undefined
  await eventlog.claimReplay(session, owner, { kind: "session", logId: log })
  let whole = false
  try {
    for (let from = 0; from < events.length; from += PAGE) await eventlog.replicate(session, owner, events.slice(from, from + PAGE))
    whole = true
  } finally {
    await eventlog.releaseReplay(session, owner)
    if (fresh && !whole) await eventlog.remove(session).catch((error: unknown) => graft.log.warn(`what was imported of ${session} stays:`, error))
  }
  if (!fresh || !(await isBusy(store, session))) return
  await graft.session.interrupt(session, "it was imported while it was at work").catch((error: unknown) => {
    if (codeOf(error) === "Moved") throw error
    graft.log.warn(`session ${session} was imported with open work, which could not be interrupted:`, error)
  })
}
