/** The sessions that one may want to go on with: those of this project first, then the others, latest first. */
import { homedir } from "node:os"
import type { Graft } from "graft"
import type { Session } from "../session/contract.ts"
import type { Terminal } from "./contract.ts"
import { choose } from "./picker.ts"
import { titleOf } from "./session.ts"
import { ago, table } from "./table.ts"

const MOST = 30

export async function recent(graft: Pick<Graft, "session">, location: string): Promise<Session[]> {
  const found = await graft.session.list({ limit: MOST, children: false })
  const here = await graft.session.list({ limit: MOST, children: false, location })
  return [...here, ...found.filter((session) => session.location !== location)].slice(0, MOST)
}

export const rowsOf = (sessions: readonly Session[]): string[] =>
  table(sessions.map((session) => [titleOf(session, 50), ago(session.updated), session.status === "idle" ? "" : session.status, session.directory.replace(homedir(), "~")])).trimEnd().split("\n")

/** Undefined when none was chosen. */
export async function pickSession(graft: Pick<Graft, "session" | "retiring">, terminal: Terminal, location: string): Promise<Session | undefined> {
  const sessions = await recent(graft, location)
  if (sessions.length === 0) return undefined
  const chosen = await choose(graft, terminal, "go on with", rowsOf(sessions))
  return chosen === undefined ? undefined : sessions[chosen]
}
