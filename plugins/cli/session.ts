/** Which session a command means: a new one, the latest of this project, or one by its id (or how the id begins). */
import type { Graft } from "graft"
import type { Session } from "../session/contract.ts"
import { UsageError } from "./arguments.ts"

export async function chooseSession(graft: Graft, directory: string, location: string, wanted: { session?: string; continue?: boolean; model?: string }): Promise<{ session: Session; fresh: boolean }> {
  const old = wanted.session !== undefined ? await byId(graft, wanted.session, location) : wanted.continue ? await latest(graft, location) : undefined
  if (!old) return { session: await graft.session.create({ directory, ...(wanted.model && { model: wanted.model }) }), fresh: true }
  const changed = wanted.model !== undefined && wanted.model !== old.model
  return { session: changed ? await graft.session.update(old.id, { model: wanted.model }) : old, fresh: false }
}

export async function byId(graft: Graft, id: string, location: string): Promise<Session> {
  const exact = await graft.session.get(id)
  if (exact) return exact
  const near = (await graft.session.list({ location, limit: 200 })).filter((session) => session.id.startsWith(id) || session.id.endsWith(id))
  if (near.length === 1) return near[0]!
  throw new UsageError(`there is no session "${id}"${near.length ? `; it could be ${near.slice(0, 3).map((session) => session.id).join(", ")}` : "; graft sessions list shows those that are"}`)
}

async function latest(graft: Graft, location: string): Promise<Session> {
  const [session] = await graft.session.list({ location, limit: 1 })
  if (!session) throw new UsageError("there is no session in this project yet: leave --continue out to begin one")
  return session
}
