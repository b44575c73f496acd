/** The end of a conversation that is gone on with, so that one knows where one was. */
import type { Graft } from "graft"
import type { Message } from "../../session/contract.ts"
import { oneLine } from "../table.ts"
import type { Piece } from "../view.ts"

/** Events looked back at, messages shown, and rows of each. */
const EVENTS = 500
const MESSAGES = 4
const ROWS = 6

export async function lastWords(graft: Graft, session: string): Promise<Pick<Piece, "text" | "style">[]> {
  const head = (await graft.eventlog.head(session))?.seq ?? 0
  const messages = await graft.session.messages(session, { after: Math.max(0, head - EVENTS), limit: EVENTS })
  return messages.flatMap((message) => wordsOf(message)).slice(-MESSAGES)
}

function wordsOf({ role, parts }: Message): Pick<Piece, "text" | "style">[] {
  const rows = parts.flatMap((part) => (part.kind === "text" ? part.text.trim().split("\n") : [])).filter((row) => row.trim() !== "")
  if (rows.length === 0 || role === "synthetic") return []
  const shown = rows.slice(0, ROWS).map((row) => oneLine(row, 160))
  if (rows.length > ROWS) shown.push("…")
  return [{ text: role === "user" ? `› ${shown.join("\n  ")}` : shown.join("\n"), style: role === "user" ? "bold" : "dim" }]
}
