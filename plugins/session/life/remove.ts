/** A session goes for good: its events, its rows, and the sessions that it began. Its blobs go when they are pruned. */
import { codeOf, type Context } from "../context.ts"

export async function remove(context: Context, id: string): Promise<void> {
  const { graft, known } = context
  const { location } = await known(id)
  // One that is damaged cannot even be interrupted; whether somebody else works on it the log knows.
  await graft.session.interrupt(id, "it is being deleted").catch((error: unknown) => {
    if (codeOf(error) === "Moved") throw error
  })
  // Those it began go first: a session that is left without them can still be deleted.
  for (const child of await childrenOf(context, id)) await remove(context, child)
  try {
    await graft.eventlog.remove(id)
  } catch (error) {
    // Another process was faster.
    if (codeOf(error) !== "eventlog.unknown") throw error
  }
  using project = await graft.at(location)
  project.emit("session.deleted", { session: id })
}

export async function childrenOf({ graft }: Context, id: string): Promise<string[]> {
  const rows = await graft.store.all<{ id: string }>("SELECT id FROM session WHERE parent = ? ORDER BY created, id", [id])
  return rows.map((row) => row.id)
}
