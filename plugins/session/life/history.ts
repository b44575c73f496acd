/** The events of a session, all of them; and which of its messages are to be seen. */
import type { StoredEvent } from "../../eventlog/contract.ts"
import type { Context } from "../context.ts"

export interface Row { id: string; seq: number; role: "user" | "assistant" | "synthetic" }

export async function historyOf({ graft }: Context, session: string): Promise<StoredEvent[]> {
  const history: StoredEvent[] = []
  for (;;) {
    const { events, head } = await graft.eventlog.read({ aggregate: session, after: history.length, limit: 4_096 })
    history.push(...events)
    if (events.length === 0 || history.length >= head) return history
  }
}

/** Oldest first, without what a revert hides. */
export const visibleOf = ({ graft }: Context, session: string): Promise<Row[]> =>
  graft.store.all<Row>("SELECT id, seq, role FROM message WHERE session = ? AND hidden IS NULL ORDER BY seq", [session])
