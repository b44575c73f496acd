/** What stands about a session besides what was said: from the rows alone, so it costs the same however long the conversation is. */
import type { Context } from "../context.ts"
import type { Failure, SessionReport } from "../contract.ts"
import { inboxOf } from "../rows.ts"
import { childrenOf } from "./remove.ts"
import { revertsOf } from "./revert.ts"

const MOST_ACTIVITIES = 20

type Activity = SessionReport["activities"][number]
interface ActivityRow { id: string; state: Activity["state"]; by: Activity["by"]; turn: number; recoveries: number; outcome: Activity["outcome"] | null; reason: string | null; rule: string | null; error: string | null }

export async function describe(context: Context, id: string): Promise<SessionReport> {
  const { store } = context.graft
  const session = await context.known(id)
  const [inbox, activities, attempts, calls, children, reverts] = await Promise.all([
    inboxOf(store, id),
    store.all<ActivityRow>("SELECT id, state, by, turn, recoveries, outcome, reason, rule, error FROM activity WHERE session = ? ORDER BY ordinal DESC LIMIT ?", [id, MOST_ACTIVITIES]),
    store.all<{ outcome: string; count: number }>("SELECT coalesce(outcome, state) AS outcome, count(*) AS count FROM provider_attempt WHERE session = ? GROUP BY 1 ORDER BY 1", [id]),
    store.all<SessionReport["calls"][number]>("SELECT name, coalesce(outcome, state) AS outcome, count(*) AS count FROM tool_call WHERE session = ? GROUP BY 1, 2 ORDER BY 1, 2", [id]),
    childrenOf(context, id),
    revertsOf(context, id),
  ])
  return {
    session, inbox, calls, children,
    activities: activities.reverse().map(({ turn, outcome, reason, rule, error, ...row }): Activity => ({
      ...row, turns: turn, ...(outcome !== null && { outcome }), ...(reason !== null && { reason }), ...(rule !== null && { rule }), ...(error !== null && { error: JSON.parse(error) as Failure }),
    })),
    attempts: Object.fromEntries(attempts.map(({ outcome, count }) => [outcome, count])),
    reverted: reverts.map(({ message, snapshot }) => ({ message, files: snapshot !== undefined })),
  }
}
