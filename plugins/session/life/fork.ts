/**
 * A fork: a new session whose history is what another's conversation is made of, up to one message. Its events are the old
 * ones at new places; attempts, jobs and questions stay with the session that had them, and so does what they cost.
 */
import type { Json, Replicated, StoredEvent } from "../../eventlog/contract.ts"
import { newId } from "../../lib/ids.ts"
import { near } from "../../lib/near.ts"
import { fact, type Context } from "../context.ts"
import type { Session, SessionFacts } from "../contract.ts"
import { SessionError } from "../errors.ts"
import { orDamaged } from "./damage.ts"
import { historyOf, visibleOf, type Row } from "./history.ts"

/** Events that are taken over in one commit: nearly every fork is there whole, or not at all. */
const PAGE = 20_000
const MOST_TITLE = 500

export async function fork(context: Context, id: string, { message }: { message?: string }): Promise<Session> {
  const { graft, known } = context
  const session = await known(id)
  const rows = await visibleOf(context, id)
  const events = await orDamaged(context, id, () => historyOf(context, id))
  const last = lastOf(session, rows, events, message)
  const to = newId("ses")
  const { directory, location, title, model, agent } = session
  const created = Date.now()
  const made: SessionFacts["session.created"] = { directory, location, title, ...(model && { model }), ...(agent && { agent }) }
  const forked: SessionFacts["session.forked"] = { from: id, message: last.id, seq: last.seq }
  const at = { version: 1, epoch: 0, actor: "user", created }
  const taken = [{ ...at, type: "session.created", data: made as Json }, { ...at, type: "session.forked", data: forked as Json }, ...conversationOf(events, rows, last)].map((event, i): Replicated => ({ ...event, aggregate: to, seq: i + 1 }))
  const { eventlog } = graft
  const owner = await eventlog.runtime()
  await eventlog.claimReplay(to, owner, { kind: "session", logId: newId("log").slice(4) })
  try {
    for (let from = 0; from < taken.length; from += PAGE) await eventlog.replicate(to, owner, taken.slice(from, from + PAGE))
    await eventlog.releaseReplay(to, owner)
  } catch (error) {
    await eventlog.remove(to).catch((left: unknown) => graft.log.warn(`half a fork of ${id} stays as ${to}:`, left))
    throw error
  }
  // What is taken over is not told, since it did not happen now; that there is a session more did.
  using project = await graft.at(location)
  project.emit("session.created", { session: to, seq: 1, created, data: made })
  project.emit("session.forked", { session: to, seq: 2, created, data: forked })
  // The history is as old as it is; the fork is of now.
  await context.say({ id: to, location }, [fact("session.updated", { title: `${(title || "untitled").slice(0, MOST_TITLE - 7)} (fork)` })])
  return known(to)
}

/** The message that was asked for, or the last one up to which all is settled. */
function lastOf(session: Session, rows: readonly Row[], events: readonly StoredEvent[], wanted: string | undefined): Row {
  const open = openIn(events)
  const ending = rows.findIndex(({ id }) => open.has(id))
  const settled = ending < 0 ? rows : rows.slice(0, ending)
  if (wanted === undefined) {
    const last = settled.at(-1)
    if (!last) throw new SessionError("session.nothing", `session ${session.id} has no conversation yet that could be forked`)
    return last
  }
  const row = rows.find(({ id }) => id === wanted)
  if (!row) throw unknownMessage(session.id, wanted, rows)
  if (!settled.includes(row)) throw new SessionError("session.busy", `message ${wanted} of session ${session.id} is not settled yet: wait until it is, or name an earlier one`)
  return row
}

export function unknownMessage(session: string, wanted: string, rows: readonly Row[]): SessionError {
  const best = near(wanted, rows.map(({ id }) => id))
  return new SessionError("session.invalid", `session ${session} shows no message "${wanted}"${best.length > 0 ? `; did you mean ${best.join(" or ")}?` : ""}`)
}

/** Messages that still grow, or whose calls do. */
function openIn(events: readonly StoredEvent[]): Set<string> {
  const open = new Map<string, { activity: string; left: Set<string> }>()
  for (const { type, data } of events as readonly { type: string; data: any }[]) {
    if (type === "message.created" && data.role === "assistant") open.set(data.message, { activity: data.activity, left: new Set([""]) })
    else if (type === "shell.started") open.set(data.shell, { activity: "", left: new Set([""]) })
    else if (type === "message.settled" || type === "shell.settled") open.get(data.message ?? data.shell)?.left.delete("")
    else if (type === "tool.called") open.get(data.message)?.left.add(data.call)
    else if (type === "tool.settled") open.get(data.message)?.left.delete(data.call)
    else if (type === "activity.recovery.decided" && data.decision === "abandon") for (const message of open.values()) if (message.activity === data.activity) message.left.clear()
  }
  return new Set([...open].flatMap(([id, { left }]) => (left.size > 0 ? [id] : [])))
}

type Told = Pick<StoredEvent, "type" | "version" | "epoch" | "actor" | "created" | "data">

/**
 * Pure. Activities and summaries keep their numbers, since messages are named after them; an activity whose end is not part
 * of it is settled where it is left.
 */
export function conversationOf(events: readonly StoredEvent[], rows: readonly Row[], last: Row): Told[] {
  const kept = new Set(rows.filter(({ seq }) => seq <= last.seq).map(({ id }) => id))
  const all = events as readonly (StoredEvent & { data: any })[]
  const controls = new Set(all.flatMap(({ type, data }) => (type === "session.input.admitted" && (data.kind === "compact" || data.kind === "move") ? [data.input as string] : [])))
  const activityOf = new Map<string, string>()
  for (const { type, data } of all) {
    if (type === "session.input.promoted" && !controls.has(data.input)) activityOf.set(data.input, data.activity)
    if (type === "message.created") activityOf.set(data.message, data.activity)
  }
  const shown = new Set([...kept].map((id) => activityOf.get(id)))
  const cut = new Set([...activityOf].flatMap(([id, activity]) => (kept.has(id) ? [] : [activity])))
  const lastFold = all.findLastIndex(({ type, data }) => type === "session.compaction.ended" && kept.has(summaryOf(data.compaction)))
  /** Old place → new place, as far as it was taken over. */
  const places: number[] = []
  const told: Told[] = []
  const unsettled = new Set<string>()
  let open: { activity: string; turn?: number } | undefined

  const add = ({ seq, type, version, actor, created }: StoredEvent, data: unknown) => {
    told.push({ type, version, epoch: 0, actor, created, data: data as Json })
    places[seq] = told.length + 2
  }
  const say = <T extends keyof SessionFacts>({ actor, created }: StoredEvent, type: T, data: SessionFacts[T]) =>
    void told.push({ type, version: 1, epoch: 0, actor, created, data: data as Json })
  const close = (at: StoredEvent) => {
    for (const message of unsettled) say(at, "message.settled", { message, finish: "abandoned" })
    unsettled.clear()
    if (open?.turn !== undefined) say(at, "activity.turn.settled", { activity: open.activity, turn: open.turn })
    if (open) say(at, "activity.settled", { activity: open.activity, outcome: "completed" })
    open = undefined
  }
  for (const [i, event] of all.entries()) {
    const { data } = event
    const inActivity = open !== undefined && open.activity === data.activity
    switch (event.type) {
      case "session.input.admitted": case "session.input.promoted":
        if (kept.has(data.input)) add(event, data)
        break
      case "message.created": case "message.part.started": case "message.part.appended": case "message.part.settled": case "message.settled":
      case "tool.called": case "tool.started": case "tool.restarted": case "tool.settled":
        if (!kept.has(data.message)) break
        if (event.type === "message.created" && data.role === "assistant") unsettled.add(data.message)
        if (event.type === "message.settled") unsettled.delete(data.message)
        add(event, data)
        break
      case "shell.started": case "shell.settled":
        if (kept.has(data.shell)) add(event, data)
        break
      case "activity.opened":
        close(event)
        if (!shown.has(data.activity)) break
        open = { activity: data.activity }
        add(event, data)
        break
      case "activity.turn.started":
        if (!inActivity || !kept.has(`${data.activity}.${data.turn}`)) break
        open!.turn = data.turn
        add(event, data)
        break
      case "activity.turn.settled":
        if (!inActivity || open!.turn !== data.turn) break
        open!.turn = undefined
        add(event, data)
        break
      case "activity.settled": case "activity.interrupted":
        if (!inActivity || cut.has(data.activity) || unsettled.size > 0) break
        open = undefined
        add(event, data)
        break
      case "session.compaction.started": case "session.compaction.failed":
        if (i < lastFold) add(event, data)
        break
      case "session.compaction.ended":
        if (kept.has(summaryOf(data.compaction))) add(event, { ...data, through: places.slice(0, data.through + 1).findLast((place) => place !== undefined) ?? 0 })
        else if (i < lastFold) say(event, "session.compaction.failed", { compaction: data.compaction, error: { code: "compaction.interrupted", message: "it was taken back" } })
        break
      default:
    }
  }
  if (events.length > 0) close(events.at(-1)!)
  return told
}

const summaryOf = (compaction: string): string => `${compaction}:summary`
