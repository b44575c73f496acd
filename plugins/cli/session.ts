/** Which session a command means: a new one, the latest of this project, or one by its id (or how the id begins or ends). */
import { statSync } from "node:fs"
import { messageOf, type Graft } from "graft"
import type { Agent } from "../agent/contract.ts"
import { near } from "../lib/near.ts"
import type { Session, Sessions } from "../session/contract.ts"
import { UsageError } from "./arguments.ts"
import { oneLine } from "./table.ts"

/** Sessions that an id is looked for among. */
const MOST = 1_000

/** Whoever knows the sessions: this process, or another. */
type Known = { readonly session: Pick<Sessions, "get" | "list" | "update"> }
export interface Wanted { session?: string; continue?: boolean; model?: string; agent?: string }

/** The one to go on with, when one is wanted; with the model and the agent that are wanted. Its directory has to be there. */
export async function wantedSession(graft: Known, location: string, wanted: Wanted): Promise<Session | undefined> {
  const old = wanted.session !== undefined ? await byId(graft, wanted.session) : wanted.continue ? await latest(graft, location) : undefined
  if (!old) return undefined
  if (!statSync(old.directory, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`the directory of ${old.id} is gone: ${old.directory}. graft session move ${old.id} <directory> has it work in another`)
  const change = { ...(wanted.model !== undefined && wanted.model !== old.model && { model: wanted.model }), ...(wanted.agent !== undefined && wanted.agent !== old.agent && { agent: wanted.agent }) }
  return Object.keys(change).length > 0 ? graft.session.update(old.id, change) : old
}

export async function byId(graft: Known, id: string): Promise<Session> {
  const exact = await graft.session.get(id)
  if (exact) return exact
  const known = [...(await graft.session.list({ limit: MOST })), ...(await graft.session.list({ limit: MOST, archived: true }))]
  const found = id === "" ? [] : known.filter((session) => [session.id, session.id.slice(4)].some((name) => name.startsWith(id)) || session.id.endsWith(id))
  if (found.length === 1) return found[0]!
  const could = found.length > 0 ? found.slice(0, 3).map((session) => session.id) : near(id, known.map((session) => session.id))
  throw new UsageError(found.length > 0 ? `"${id}" could be ${could.join(", ")}${found.length > 3 ? " …" : ""}: write more of it` : `there is no session "${id}"${could.length > 0 ? `; did you mean ${could.join(" or ")}?` : "; graft sessions --all shows those that are"}`)
}

async function latest(graft: Known, location: string): Promise<Session> {
  const [session] = await graft.session.list({ location, limit: 1, children: false })
  if (!session) throw new UsageError("there is no session in this project yet: leave --continue out to begin one")
  return session
}

/** The agent that a flag names, or undefined without one. */
export async function wantedAgent(project: Graft, name: string | undefined): Promise<Agent | undefined> {
  if (name === undefined) return undefined
  return project.agent.get(name).catch((error: unknown) => { throw (error as { code?: unknown }).code === "agent.unknown" ? new UsageError(messageOf(error)) : error })
}

export const titleOf = ({ title }: Pick<Session, "title">, columns = 60): string => oneLine(title || "(untitled)", columns)
