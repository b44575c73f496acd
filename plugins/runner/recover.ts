/**
 * Settles what an owner left open that can no longer settle it: nothing stays open for ever, and no request is built
 * over a call without a result. The simplest decision that is always safe; nothing is run or sent again.
 */
import type { AttemptState } from "../lib/machine.ts"
import type { AttemptOutcome } from "../session/contract.ts"
import type { Ledger } from "./ledger.ts"

const UNKNOWN = "The process stopped while this ran; it may or may not have taken effect. Check before you repeat it."
const NOT_STARTED = "The process stopped before this started: nothing was done."

/** Crash rows 7–11: nothing left, perhaps sent, answered in part. */
const ATTEMPT_OUTCOME = { prepared: "not-sent", dispatched: "lost", streaming: "truncated" } as const satisfies Partial<Record<AttemptState, AttemptOutcome>>

export function settleLeftovers(ledger: Ledger, finish: "interrupted" | "error" = "interrupted"): void {
  const { activity, transcript } = ledger.state
  const turn = activity?.turn
  if (!activity || !turn || turn.settled) return
  const { message, attempt } = turn
  for (const call of turn.calls) {
    if (call.state === "settled") continue
    const began = call.state === "started" || call.executed === "provider"
    ledger.tell("tool.settled", { message, call: call.call, outcome: began ? "unknown" : "not-started", output: began ? UNKNOWN : NOT_STARTED })
  }
  if (attempt && attempt.state in ATTEMPT_OUTCOME) ledger.tell("provider.attempt.settled", { attempt: attempt.id, outcome: ATTEMPT_OUTCOME[attempt.state as keyof typeof ATTEMPT_OUTCOME] })
  if (transcript.byId.get(message)?.state === "open") ledger.tell("message.settled", { message, finish })
  ledger.tell("activity.turn.settled", { activity: activity.id, turn: turn.number })
}
