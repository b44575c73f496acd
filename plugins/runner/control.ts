/**
 * What is done to a conversation between two turns, and alone: its older part is folded into a summary, or it moves to
 * another directory. A fold that fails loses nothing: the conversation stays as it was.
 */
import { orStopped } from "../lib/stopped.ts"
import { afterBoundary } from "../lib/transcript.ts"
import type { CompactionReason, CompactionWork, Folded } from "../compaction/contract.ts"
import type { Json } from "../eventlog/contract.ts"
import type { Control } from "./state.ts"
import { modelFor } from "./prepare.ts"
import { failureOf, plainFailure } from "./retry.ts"
import type { Work } from "./turn.ts"

const WHY = { overflow: "the conversation no longer fits the model", manual: "asked for" }
const INTERRUPTED = { code: "compaction.interrupted", message: "it was interrupted" }

/** Before a turn, where it is time. Without the plugin there is no such time. */
export async function compactWhenDue(work: Work): Promise<void> {
  const { graft, ledger } = work
  // The first answer leaves nothing to fold.
  if (!ledger.state.transcript.messages.some(({ role }) => role === "assistant")) return
  try {
    const given = await orStopped(workOf(work), work.stop)
    const why = given && (await orStopped(graft.compaction.due(given), work.stop))
    if (why !== undefined) await fold(work, given!, "threshold", why)
  } catch (error) {
    if ((error as { code?: unknown }).code !== "Unavailable") graft.log.warn("whether to fold the conversation could not be told:", error)
  }
}

export async function compact(work: Work, reason: "overflow" | "manual"): Promise<void> {
  const { activity } = work.ledger.state
  const { instructions } = ((reason === "manual" && activity?.control?.data) || {}) as { instructions?: string }
  await fold(work, async () => ({ ...(await workOf(work)), ...(instructions !== undefined && { instructions }) }), reason, WHY[reason])
}

type Given = Omit<CompactionWork, "reason" | "signal">

async function workOf(work: Work): Promise<Given> {
  const { session, ledger } = work
  const model = await modelFor(work)
  const { transcript, measured } = ledger.state
  return { session: session.id, directory: session.directory, model, messages: afterBoundary(transcript), ...(measured && { used: measured.input }) }
}

async function fold(work: Work, given: Given | (() => Promise<Given>), reason: CompactionReason, why: string): Promise<void> {
  const { graft, ledger, stop } = work
  const compaction = `c${ledger.state.compactions + 1}`
  ledger.tell("session.compaction.started", { compaction, reason, why })
  try {
    const made = await orStopped((async () => graft.compaction.fold({ ...(typeof given === "function" ? await given() : given), reason, signal: stop }))(), stop)
    if (!made || stop.aborted) return ledger.tell("session.compaction.failed", { compaction, error: INTERRUPTED })
    // Where the summary ends is said by places in the log.
    await ledger.commit()
    tellEnd(work, compaction, reason, made)
  } catch (error) {
    ledger.tell("session.compaction.failed", { compaction, error: plainFailure(failureOf(error)) })
  }
}

function tellEnd({ ledger }: Work, compaction: string, reason: CompactionReason, { through: message, summary, method, before, after, usage, note }: Folded): void {
  const { messages } = ledger.state.transcript
  const next = messages[messages.findLastIndex(({ id }) => id === message) + 1]
  ledger.tell("session.compaction.ended", { compaction, through: next ? next.seq - 1 : ledger.seq, message, summary, method, before, after, reason, ...(usage && { usage }), ...(note !== undefined && { note }) })
}

/** From here on the session is another project's, and its runner's. */
export async function moveAway({ ledger }: Work, { data }: Control): Promise<void> {
  const { directory, location } = data as { directory: string; location: string }
  ledger.tell("session.moved", { directory, location } satisfies Json)
  await ledger.commit()
}
