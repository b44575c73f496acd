/**
 * Search over what was said. It reads the events' texts where they are, latest first, and stops when it has enough: an
 * index over them would cost half the size of the log, for a question that is asked a few times a day. A slice at a time,
 * so that whoever works meanwhile goes on.
 */
import { setImmediate as breathe } from "node:timers/promises"
import type { Context } from "../context.ts"
import type { Sessions } from "../contract.ts"
import { SessionError } from "../errors.ts"

type Hit = Awaited<ReturnType<Sessions["search"]>>[number]

const MOST = 100
const MOST_WORDS = 8
/** Places of the log that are looked at in one go, and messages of which some words were found already. */
const SLICE = 20_000
const MOST_PARTIAL = 10_000
/** Characters shown before and behind what was found. */
const [BEFORE, BEHIND] = [40, 100]

const TEXTS = ["session.input.admitted", "message.created", "message.part.appended", "message.part.settled"]

interface TextRow { session: string; created: number; data: string }
interface Said { input?: string; message?: string; text?: string }

export async function search({ graft }: Context, text: string, { location, limit = 20 }: { location?: string; limit?: number }): Promise<Hit[]> {
  const words = wordsOf(text)
  const most = Math.min(Math.max(1, Math.trunc(limit) || 1), MOST)
  const { store } = graft
  const hits = await titled()
  const seen = new Set<string>()
  const partial = new Map<string, Set<string>>()
  const like = words.map(() => "e.data LIKE ? ESCAPE '\\'").join(" OR ")
  const sql = `SELECT a.id AS session, e.created, e.data FROM event e JOIN aggregate a ON a.key = e.aggregate ${location === undefined ? "" : "JOIN session s ON s.id = a.id AND s.location = ?"}
    WHERE e.position > ? AND e.position <= ? AND e.type IN (SELECT key FROM name WHERE text IN (SELECT value FROM json_each(?))) AND (${like}) ORDER BY e.position DESC`
  const patterns = words.map((word) => `%${escaped(JSON.stringify(word).slice(1, -1))}%`)
  const head = (await store.get<{ position: number | null }>("SELECT max(position) AS position FROM event"))?.position ?? 0
  for (let end = head; end > 0 && hits.length < most; end -= SLICE) {
    const rows = await store.all<TextRow>(sql, [...(location === undefined ? [] : [location]), end - SLICE, end, JSON.stringify(TEXTS), ...patterns])
    for (const row of rows) {
      if (hits.length >= most) break
      const hit = hitOf(row)
      if (hit && (await isShown(hit))) hits.push(hit)
    }
    await breathe()
  }
  return hits

  async function titled(): Promise<Hit[]> {
    const rows = await store.all<{ id: string; title: string; updated: number }>(
      `SELECT id, title, updated FROM session WHERE ${words.map(() => "title LIKE ? ESCAPE '\\'").join(" AND ")} ${location === undefined ? "" : "AND location = ?"} ORDER BY updated DESC LIMIT ?`,
      [...words.map((word) => `%${escaped(word)}%`), ...(location === undefined ? [] : [location]), most],
    )
    return rows.map(({ id, title, updated }) => ({ session: id, snippet: title, created: updated }))
  }

  /** A long message is stored in pieces, latest first here: it counts once all words were met. */
  function hitOf({ session, created, data }: TextRow): Hit | undefined {
    const { input, message = input, text: said } = JSON.parse(data) as Said
    const key = `${session} ${message}`
    if (message === undefined || typeof said !== "string" || seen.has(key)) return undefined
    const lower = said.toLowerCase()
    const found = words.filter((word) => lower.includes(word))
    if (found.length === 0) return undefined
    const met = partial.get(key) ?? new Set()
    for (const word of found) met.add(word)
    if (met.size < words.length) {
      if (partial.size < MOST_PARTIAL) partial.set(key, met)
      return undefined
    }
    partial.delete(key)
    seen.add(key)
    return { session, message, snippet: snippetOf(said, lower.indexOf(found[0]!)), created }
  }

  /** Neither taken back, nor hidden by a revert. */
  async function isShown({ session, message }: Hit): Promise<boolean> {
    return (await store.get("SELECT 1 FROM message WHERE session = ? AND id = ? AND hidden IS NULL", [session, message!])) !== undefined
  }
}

function wordsOf(text: string): string[] {
  const words = typeof text === "string" ? [...new Set(text.toLowerCase().split(/\s+/).filter(Boolean))] : []
  if (words.length === 0 || words.length > MOST_WORDS) throw new SessionError("session.invalid", `a search is for 1 to ${MOST_WORDS} words`)
  return words
}

const escaped = (word: string): string => word.replaceAll(/[\\%_]/g, "\\$&")

function snippetOf(text: string, at: number): string {
  const [from, to] = [Math.max(0, at - BEFORE), at + BEHIND]
  const middle = text.slice(from, to).replaceAll(/\s+/g, " ").trim().toWellFormed()
  return `${from > 0 ? "…" : ""}${middle}${to < text.length ? "…" : ""}`
}
