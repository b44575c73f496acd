/** What every command about a session needs: the session it is about, and one commit that says something of it. */
import type { Graft } from "graft"
import type { Appended, Json } from "../eventlog/contract.ts"
import type { Statement } from "../store/contract.ts"
import type { Session, SessionFacts } from "./contract.ts"
import { SessionError } from "./errors.ts"
import { getSession } from "./rows.ts"

export interface Fact { type: keyof SessionFacts; data: Json }
export interface Command { id: string; kind: string; hash: string }

export interface Context {
  graft: Graft
  /** Refuses an id that nobody has. */
  known(id: string): Promise<Session>
  /** `writes` may refuse all of it: what was true when it was decided has to be true when it is written. */
  say(session: Pick<Session, "id" | "location">, facts: readonly Fact[], more?: { actor?: string; command?: Command; create?: true; writes?: readonly Statement[] }): Promise<Appended>
}

export const fact = <T extends keyof SessionFacts>(type: T, data: SessionFacts[T]): Fact => ({ type, data: data as Json })

export const makeContext = (graft: Graft): Context => ({
  graft,
  async known(id) {
    const session = await getSession(graft.store, id)
    if (!session) throw new SessionError("session.unknown", `there is no session "${id}"; session.list shows those that are`)
    return session
  },
  say: ({ id, location }, events, { actor = "user", command, create, writes } = {}) =>
    graft.eventlog.append({ aggregate: id, actor, location, events, ...(create && { create: "session" }), ...(command && { command }), ...(writes && { writes }) }),
})

export const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code
