/**
 * Taking back: the conversation ends before a message, and what the work from there on did to files is put back too, if that
 * is wanted. Nothing is deleted: until the next work begins it can be restored.
 */
import { messageOf, Unavailable, type Graft } from "graft"
import { codeOf, fact, type Context } from "../context.ts"
import type { Sessions } from "../contract.ts"
import { SessionError } from "../errors.ts"
import { unknownMessage } from "./fork.ts"
import { visibleOf, type Row } from "./history.ts"

type Reverted = Awaited<ReturnType<Sessions["revert"]>>
type Done = Awaited<ReturnType<Sessions["restore"]>>
interface Pending { message: string; snapshot?: string }

export async function revert(context: Context, id: string, { message, files = false, preview = false }: Parameters<Sessions["revert"]>[1] & {}): Promise<Reverted> {
  const { graft, known } = context
  const session = await known(id)
  const rows = await visibleOf(context, id)
  const first = message === undefined ? rows.findLast(({ role }) => role === "user") : rows.find((row) => row.id === message)
  if (!first) throw message === undefined ? new SessionError("session.nothing", `session ${id} has nothing that could be taken back`) : unknownMessage(id, message, rows)
  const activity = await graft.store.get<{ state: "open" | "parked" }>("SELECT state FROM activity WHERE session = ? AND state IN ('open', 'parked')", [id])
  if (activity?.state === "open") throw busy(id)
  // What waits for a person to decide is decided: it is not gone on with.
  if (activity && !preview) await graft.session.interrupt(id, "taken back")
  using project = await graft.at(session.location)
  const plan: Done & { snapshot?: string } = files ? await planOf(project, id, rows, first) : { files: [], kept: [] }
  const { snapshot, ...found } = plan
  if (preview) return { message: first.id, ...found }
  // Written down first: whatever is done to files afterwards can be undone.
  try {
    await context.say(session, [fact("session.reverted", { message: first.id, ...(snapshot !== undefined && { snapshot }) })], { writes: [nothingOpen(id, first.id)] })
  } catch (error) {
    throw codeOf(error) === "store.conflict" ? busy(id) : error
  }
  if (snapshot === undefined) return { message: first.id, ...found }
  const { kept, ...done }: Done = await project.snapshot.apply(snapshot, "there").catch(orUnable)
  return { message: first.id, ...done, kept: [...new Set([...found.kept, ...kept])].sort() }
}

export async function restore(context: Context, id: string): ReturnType<Sessions["restore"]> {
  const { graft, known } = context
  const session = await known(id)
  const pending = await revertsOf(context, id)
  const nothing = () => new SessionError("session.nothing", `session ${id} has nothing to restore: nothing was taken back, or work went on since`)
  if (pending.length === 0) throw nothing()
  using project = await graft.at(session.location)
  const [files, kept] = [new Set<string>(), new Set<string>()]
  let unable: string | undefined
  // Files first: they can be put back twice, and once this is written down nobody knows any more how.
  for (const { snapshot } of pending.toReversed()) {
    if (snapshot === undefined) continue
    const done: Done = await project.snapshot.apply(snapshot, "back").catch(orUnable)
    for (const file of done.files) files.add(file)
    for (const file of done.kept) kept.add(file)
    unable ??= done.unable
  }
  try {
    await context.say(session, [fact("session.restored", {})])
  } catch (error) {
    throw codeOf(error) === "store.conflict" ? nothing() : error
  }
  return { files: [...files].sort(), kept: [...kept].sort(), ...(unable !== undefined && { unable }) }
}

/** Those that can still be undone, oldest first. */
export async function revertsOf({ graft }: Context, id: string): Promise<Pending[]> {
  const row = await graft.store.get<{ reverted: string | null }>("SELECT reverted FROM session WHERE id = ?", [id])
  return JSON.parse(row?.reverted ?? "[]") as Pending[]
}

/** From the first turn that answers what is hidden. */
async function planOf(project: Graft, session: string, rows: readonly Row[], first: Row): Promise<Done & { snapshot?: string }> {
  const turn = rows.filter(({ seq }) => seq >= first.seq).map(({ id }) => /^a(\d+)\.(\d+)$/.exec(id)).find(Boolean)
  if (!turn) return { files: [], kept: [] }
  return project.snapshot.plan(session, { activity: Number(turn[1]), turn: Number(turn[2]) }).catch(orUnable)
}

/** Without a way to put files back the words can still be; it is said why. */
function orUnable(error: unknown): Done {
  if (error instanceof Unavailable || codeOf(error) === "snapshot.unable" || codeOf(error) === "snapshot.unknown") return { files: [], kept: [], unable: messageOf(error) }
  throw error
}

const busy = (session: string) => new SessionError("session.busy", `session ${session} is at work: interrupt it first, then take back`)

const nothingOpen = (session: string, message: string) => ({
  sql: "UPDATE session SET updated = updated WHERE id = ? AND NOT EXISTS (SELECT 1 FROM activity WHERE session = ? AND state IN ('open', 'parked')) AND EXISTS (SELECT 1 FROM message WHERE session = ? AND id = ? AND hidden = 1)",
  params: [session, session, session, message], expect: 1,
})
