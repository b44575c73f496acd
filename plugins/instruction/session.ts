/**
 * What each session was told: its system texts stay as they were first sent, since a provider caches what stands before a
 * change and none of what stands behind it; what is otherwise later is news, told once, at the end of the conversation.
 */
import { unifiedDiff } from "../lib/diffs.ts"
import type { Instructions } from "./files.ts"

/** By session; it outlives a reload, and a restart begins anew, as the provider's cache does. */
export type Sessions = Map<string, Standing>
interface Standing { directory: string; texts: readonly string[]; /** By file, as it was last told. */ told: Map<string, string> }

const MOST_SESSIONS = 100
/** Characters of a text that is told whole rather than as a diff. */
const SHORT = 4_000

export function textsFor(sessions: Sessions, session: string, directory: string, now: readonly Instructions[]): readonly string[] {
  const known = sessions.get(session)
  if (known?.directory === directory) return known.texts
  const standing: Standing = { directory, texts: now.map(textOf), told: new Map(now.map(({ file, text }) => [file, text])) }
  sessions.delete(session)
  sessions.set(session, standing)
  for (const oldest of sessions.keys()) if (sessions.size > MOST_SESSIONS) sessions.delete(oldest)
  return standing.texts
}

/** What it has not been told yet; a session that was told nothing has no news. */
export async function newsFor(sessions: Sessions, session: string, now: readonly Instructions[]): Promise<string | undefined> {
  const told = sessions.get(session)?.told
  if (!told) return undefined
  const news: string[] = []
  for (const { file, text } of now) {
    const before = told.get(file)
    if (before === text) continue
    told.set(file, text)
    const diff = before === undefined || text.length <= SHORT ? undefined : await unifiedDiff(file, before, text)
    news.push(diff !== undefined && diff.length < text.length ? `The instructions in ${file} were changed:\n\n${diff}` : `The instructions in ${file} ${before === undefined ? "are new" : "were changed"}. They say now:\n\n${text}`)
  }
  for (const file of [...told.keys()].filter((each) => !now.some((read) => read.file === each))) {
    told.delete(file)
    news.push(`The instructions in ${file} are gone, and hold no more.`)
  }
  return news.length > 0 ? news.join("\n\n") : undefined
}

export const textOf = ({ file, text }: Instructions): string => `Instructions from ${file}:\n\n${text}`
