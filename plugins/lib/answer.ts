/** What a session said last, and why it stopped: what is told of it in the session above. */
import type { EventLog } from "../eventlog/contract.ts"
import type { Ended, Sessions } from "../session/contract.ts"

/** Events looked back at first; more, where they hold no answer. */
const BACK = 500

export async function answerOf(sessions: Pick<Sessions, "messages">, log: Pick<EventLog, "head">, session: string): Promise<string> {
  const head = (await log.head(session))?.seq ?? 0
  for (let back = BACK; ; back *= 8) {
    const after = Math.max(0, head - back)
    const messages = await sessions.messages(session, { after, limit: 1_000 })
    const said = messages.filter(({ role }) => role === "assistant").map(({ parts }) => parts.flatMap((part) => (part.kind === "text" ? part.text : [])).join("\n").trim()).findLast((text) => text !== "")
    if (said !== undefined) return said
    if (after === 0) return ""
  }
}

export function reasonOf({ state, reason, rule }: Ended): string {
  switch (state) {
    case "done": return ""
    case "blocked": return `it needed a permission that nobody gave: ${rule ?? reason ?? "unknown"}`
    case "interrupted": return `it was interrupted${reason && reason !== "interrupted" ? `: ${reason}` : ""}`
    case "parked": return `it stopped before it was done (${reason ?? "parked"})`
    case "failed": return reason ?? "it failed"
    default: return state satisfies never
  }
}
