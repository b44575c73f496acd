/**
 * What becomes of that which an owner left open and can no longer settle: each decision is one commit, and can be made
 * again by whoever comes next when its maker dies too. Nothing stays open for ever, and no request is built over a call
 * without a result.
 */
import { createHash } from "node:crypto"
import { orStopped } from "../lib/stopped.ts"
import { callIn } from "../lib/transcript.ts"
import type { AttemptState } from "../lib/machine.ts"
import type { AttemptOutcome } from "../session/contract.ts"
import type { ToolCall, ToolSet } from "../tool/contract.ts"
import { fateOf } from "./decide.ts"
import type { Ledger } from "./ledger.ts"
import type { CallFact, Turn } from "./state.ts"
import type { Work } from "./turn.ts"

const TOLD = {
  unknown: "The process stopped while this ran; it may or may not have taken effect. Check before you repeat it.",
  "not-started": "The process stopped before this started: nothing was done.",
  done: "The process stopped while this ran. It took effect: what was to be written is there.",
  "not-done": "The process stopped before this took effect: everything is as it was.",
} as const
const MOST_TOLD = 500

/** Crash rows 7–11: nothing left, perhaps sent, answered in part; and one that nobody decided. */
const ATTEMPT_OUTCOME = { prepared: "not-sent", dispatched: "lost", streaming: "truncated", unknown: "abandoned" } as const satisfies Partial<Record<AttemptState, AttemptOutcome>>

/** The attempt that its owner died over. Of one that said nothing, the next try writes into the same message. */
export function settleAttempt(ledger: Ledger, outcome: "not-sent" | "lost" | "truncated"): void {
  const { message, attempt } = ledger.state.activity!.turn!
  if (outcome === "truncated") settleParts(ledger)
  ledger.tell("provider.attempt.settled", { attempt: attempt!.id, outcome })
  if (outcome === "truncated") ledger.tell("message.settled", { message, finish: "truncated", error: { code: "llm.cut", message: "the process that read the reply stopped" } })
}

/** What came of a text is what it is. */
function settleParts(ledger: Ledger): void {
  const { activity, transcript } = ledger.state
  const { message, open } = activity!.turn!
  for (const part of transcript.byId.get(message)?.parts ?? []) {
    if ((part.kind !== "text" && part.kind !== "reasoning") || !open.has(part.id)) continue
    ledger.tell("message.part.settled", { message, part: part.id, length: part.text.length, sha256: createHash("sha256").update(part.text).digest("base64url") })
  }
}

/** Ends all that is open at once, and asks nobody: an interrupt, or nothing more can be done. */
export function settleLeftovers(ledger: Ledger, finish: "interrupted" | "error" = "interrupted"): void {
  const { activity, transcript, compacting } = ledger.state
  if (compacting !== undefined) ledger.tell("session.compaction.failed", { compaction: compacting, error: { code: "compaction.interrupted", message: "it was interrupted" } })
  const turn = activity?.turn
  if (!activity || !turn || turn.settled) return
  const { message, attempt } = turn
  for (const call of turn.calls) if (call.state !== "settled") settleCall(ledger, message, call, call.state === "started" || call.executed === "provider" ? "unknown" : "not-started")
  settleParts(ledger)
  if (attempt && attempt.state in ATTEMPT_OUTCOME) ledger.tell("provider.attempt.settled", { attempt: attempt.id, outcome: ATTEMPT_OUTCOME[attempt.state as keyof typeof ATTEMPT_OUTCOME] })
  if (transcript.byId.get(message)?.state === "open") ledger.tell("message.settled", { message, finish })
  ledger.tell("activity.turn.settled", { activity: activity.id, turn: turn.number })
}

function settleCall(ledger: Ledger, message: string, { call }: CallFact, outcome: "unknown" | "not-started", because?: string): void {
  ledger.tell("tool.settled", { message, call, outcome, output: [TOLD[outcome], because?.slice(0, MOST_TOLD).toWellFormed()].filter(Boolean).join("\n") })
}

/**
 * The calls that an owner died over: asked again, run again, looked after, or told to the model as what they are. They
 * go by the tools that are live now, since those that the model saw are gone.
 */
export async function settleCalls(work: Work): Promise<void> {
  const { graft, ledger, stop } = work
  const turn = ledger.state.activity!.turn!
  const open = turn.calls.filter((call) => call.state !== "settled").map((call) => ({ call, fate: fateOf(call) }))
  for (const { call, fate } of open) if (fate.kind === "settle") settleCall(ledger, turn.message, call, fate.outcome)
  if (open.every(({ fate }) => fate.kind === "settle")) return
  let tools: ToolSet | undefined
  try {
    tools = await orStopped(graft.tool.advertise(), stop)
    if (!tools) return
    for (const { call, fate } of open) if (fate.kind === "probe") await probe(work, tools, turn, call)
    const { openCalls } = await import("./calls.ts")
    const calls = await openCalls({ graft, ledger, tools, message: turn.message, signal: stop })
    try {
      for (const { call, fate } of open) if (fate.kind === "run") calls.start(madeAgain(work, turn, call), call)
      await calls.join()
    } finally {
      await calls.close()
    }
  } catch (error) {
    for (const { call } of open) if (call.state !== "settled") settleCall(ledger, turn.message, call, call.runs > 0 ? "unknown" : "not-started", String(error))
  } finally {
    tools?.dispose()
  }
}

/** Whether a change took effect can be seen, where the tool wrote down what there was and what was to be. */
async function probe(work: Work, tools: ToolSet, turn: Turn, call: CallFact): Promise<void> {
  const { ledger, stop } = work
  const found = await orStopped(tools.probe(madeAgain(work, turn, call), call.plan).catch(() => "unknown" as const), stop)
  if (found === undefined) return
  if (found === "unknown") return settleCall(ledger, turn.message, call, "unknown")
  ledger.tell("tool.settled", { message: turn.message, call: call.call, outcome: found === "done" ? "ok" : "interrupted", output: TOLD[found] })
}

const madeAgain = ({ ledger, session }: Work, { message }: Turn, { call, name }: CallFact): ToolCall =>
  ({ id: call, name, input: callIn(ledger.state.transcript, message, call)?.input ?? "", session: session.id, directory: session.directory })
