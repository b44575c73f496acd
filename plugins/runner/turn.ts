/**
 * One attempt at one provider turn: take in what waits, build the request, say that it leaves, stream the reply, run its
 * calls, settle it. It ends with everything settled, however it ends; what follows from it is `decide`'s.
 */
import type { Graft } from "graft"
import { point } from "../lib/crash.ts"
import { orStopped } from "../lib/stopped.ts"
import type { TurnRequest } from "../llm/contract.ts"
import type { Failure, Session } from "../session/contract.ts"
import type { ToolCall, ToolSet } from "../tool/contract.ts"
import type { Calls } from "./calls.ts"
import { compactWhenDue } from "./control.ts"
import { isControl, mayFold, type Pending } from "./decide.ts"
import type { Ledger } from "./ledger.ts"
import { nextModel, WORTH_WAITING } from "./fallback.ts"
import { Reply, type Called } from "./reply.ts"
import { prepare, type Prepared } from "./prepare.ts"
import { failureOf, plainFailure, retryDelay, type Failing } from "./retry.ts"
import type { Seen } from "./attached.ts"
import { dayNote, dayOf, isoDay } from "./system.ts"

/** Calls that one reply may make; the model is told of the rest. */
export const MOST_CALLS = 64
/** How long a provider's stream may take to notice that nobody listens any more. */
const STREAM_GRACE = 500

export interface Work {
  graft: Graft
  session: Session
  ledger: Ledger
  /** Ends the turn: an interrupt, a lost claim, or the end of this generation. */
  stop: AbortSignal
  /** Context blobs that are stored already, and when they were. */
  contexts: Map<string, number>
  /** Attachments that were read before. */
  seen: Seen
  chance(): number
}

/** A reason why nothing could be sent, or undefined. Steers become messages, the model is told the day when it changed and what it should know, and the turn begins. */
export async function startTurn(work: Work, inputs: readonly Pending[], note?: string): Promise<Failure | undefined> {
  const { ledger } = work
  const activity = ledger.state.activity!
  // An input may be taken back at this very moment: the log then refuses the commit that takes it in, and nothing else with it.
  if (inputs.length > 0) await ledger.commit()
  takeIn(work, inputs)
  if (note !== undefined) tellNote(ledger, note)
  const news = await orStopped(work.graft.instruction.news(work.session.directory, work.session.id), work.stop)
  if (news !== undefined) tellNote(ledger, news)
  await compactWhenDue(work)
  const turn = activity.turns + 1
  const prepared = await prepareUnlessStopped(work, turn)
  if (!prepared || "code" in prepared) return prepared
  ledger.tell("activity.turn.started", { activity: activity.id, turn })
  ledger.tell("message.created", { message: `${activity.id}.${turn}`, role: "assistant", activity: activity.id, model: prepared.model.ref })
  await attempt(work, prepared, 1)
  return undefined
}

/** The same turn once more; models, tools and hooks are asked again. */
export async function retryTurn(work: Work): Promise<Failure | undefined> {
  const { number, attempt: last } = work.ledger.state.activity!.turn!
  const prepared = await prepareUnlessStopped(work, number)
  if (!prepared || "code" in prepared) return prepared
  await attempt(work, prepared, (last?.n ?? 0) + 1)
  return undefined
}

export function takeIn({ ledger }: Pick<Work, "ledger">, inputs: readonly Pending[]): void {
  if (inputs.length === 0) return
  if (inputs.every(isControl)) return promote(ledger, inputs)
  const today = new Date()
  const told = ledger.state.transcript.messages.findLast((message) => message.role === "synthetic" && textOf(message.parts[0]) && dayOf(textOf(message.parts[0])!))
  if (!told || dayOf(textOf(told.parts[0])!) !== isoDay(today)) tellNote(ledger, dayNote(today))
  promote(ledger, inputs)
}

function promote(ledger: Ledger, inputs: readonly Pending[]): void {
  for (const { id, ...input } of inputs) {
    ledger.witness("session.input.admitted", { ...input, input: id, hash: "" })
    ledger.tell("session.input.promoted", { input: id, activity: ledger.state.activity!.id })
  }
}

const textOf = (part: { kind: string; text?: string } | undefined): string | undefined => part?.text

function tellNote(ledger: Ledger, text: string): void {
  const activity = ledger.state.activity!
  ledger.tell("message.created", { message: `${activity.id}:n${activity.notes + 1}`, role: "synthetic", activity: activity.id, text })
}

/** Models, tools and hooks are others' and take their time: an interrupt does not wait for them. What comes too late is let go. */
async function prepareUnlessStopped(work: Work, turn: number): Promise<Prepared | Failure | undefined> {
  const preparing = prepare(work, turn)
  const prepared = await orStopped(preparing, work.stop)
  if (!work.stop.aborted) return prepared
  void preparing.then((late) => { if ("tools" in late) late.tools.dispose() })
  return undefined
}

async function attempt(work: Work, { model, tools, request, class: retry, hash, context }: Prepared, n: number): Promise<void> {
  const { graft, session, ledger, stop } = work
  const { activity } = ledger.state
  const { number: turn, message } = activity!.turn!
  const id = `${activity!.id}.${turn}.${n}`
  ledger.tell("provider.attempt.prepared", { attempt: id, activity: activity!.id, turn, n, message, model: model.ref, hash, context, class: retry })
  ledger.tell("provider.attempt.dispatched", { attempt: id })
  let calls: Promise<Calls> | undefined
  try {
    await ledger.commit()
    const open = () => (calls ??= import("./calls.ts").then(({ openCalls }) => openCalls({ graft, ledger, tools, message, signal: stop })))
    const reply = new Reply({ graft, ledger, session: session.id, message, attempt: id, cost: model.cost, calling: () => void open().catch(() => {}), called: (call) => called(work, tools, open, message, call) })
    const failure = await stream(work, request, reply)
    if (stop.aborted) ledger.hold()
    await settleReply(work, reply, { attempt: id, message, model: model.ref, failure, calls })
    await (await calls?.catch(() => undefined))?.join()
  } finally {
    await (await calls?.catch(() => undefined))?.close()
    tools.dispose()
  }
}

const INTERRUPTED: Failing = { code: "llm.aborted", message: "interrupted" }

/** Reads the stream to its end. What went wrong is a value; a stream that does not hear the signal is left alone after a grace. */
async function stream({ graft, ledger, stop }: Work, request: TurnRequest, reply: Reply): Promise<Failing | undefined> {
  if (stop.aborted) return INTERRUPTED
  const read = async (): Promise<Failing | undefined> => {
    try {
      point("send.before")
      for await (const part of graft.llm.stream(request, { signal: stop })) {
        point("answer.before")
        reply.accept(part)
        if (ledger.crowded) await orStopped(ledger.commit(), stop)
      }
      return reply.finish === undefined ? { code: "llm.cut", message: "the provider's stream ended before the reply did" } : undefined
    } catch (error) {
      return failureOf(error)
    }
  }
  const left = Promise.withResolvers<undefined>()
  let grace: NodeJS.Timeout | undefined
  const leave = () => { grace = setTimeout(() => left.resolve(undefined), STREAM_GRACE) }
  stop.addEventListener("abort", leave, { once: true })
  try {
    const failure = await Promise.race([read(), left.promise])
    return stop.aborted ? INTERRUPTED : failure
  } finally {
    stop.removeEventListener("abort", leave)
    clearTimeout(grace)
    reply.flush()
  }
}

/** A whole call: written down, and started at once, while the reply goes on. */
function called({ session, ledger }: Work, tools: ToolSet, calls: () => Promise<Calls>, message: string, { call, name, input, executed, replay }: Called): void {
  const refused = executed === undefined && ledger.state.activity!.turn!.calls.length >= MOST_CALLS
  ledger.tell("tool.called", { message, call, name, input, recovery: tools.recovery(name), ...(executed && { executed }), ...(replay !== undefined && { replay }) })
  if (executed) return
  if (refused) return ledger.tell("tool.settled", { message, call, outcome: "not-started", output: `A reply may make ${MOST_CALLS} calls; this one was not run. Make it again in the next turn if it is still needed.` })
  const work: ToolCall = { id: call, name, input, session: session.id, directory: session.directory }
  void calls().then((open) => open.start(work), (error: unknown) => ledger.tell("tool.settled", { message, call, outcome: "error", output: `The tool could not be run: ${String(error)}` }))
}

interface Ending { attempt: string; message: string; model: string; failure: Failing | undefined; calls: Promise<Calls> | undefined }

/** T10: the reply is closed. It does not wait for its tools, so a slow one cannot leave the provider's outcome unknown. */
async function settleReply({ graft, session, ledger, stop, chance }: Work, reply: Reply, { attempt, message, model, failure, calls }: Ending): Promise<void> {
  const error: Failure | undefined = failure && plainFailure(failure)
  settleHosted(ledger, message)
  const changed = failure ? undefined : (await orStopped(graft.mutate("turn.response", { session: session.id, model, finish: reply.finish!, parts: reply.parts() }), stop))?.value.parts
  const usage = reply.usage && { usage: reply.usage }
  const interrupted = stop.aborted && failure !== undefined
  if (failure && !reply.output) {
    ledger.tell("provider.attempt.settled", { attempt, outcome: "failed", error: error!, ...usage })
    const { turn } = ledger.state.activity!
    // It is folded, and the same turn is made again.
    if (!interrupted && mayFold(failure, turn!)) return
    const delay = interrupted ? undefined : retryDelay(failure, turn!.failures, chance())
    const instead = interrupted || (delay !== undefined && delay <= WORTH_WAITING) ? undefined : await orStopped(nextModel(graft, session, model, failure), stop)
    const again = instead === undefined ? delay : 0
    if (again !== undefined) return ledger.tell("provider.attempt.retry.scheduled", { attempt, n: turn!.attempt!.n + 1, at: Date.now() + again, delay: again, error: error!, ...(instead !== undefined && { model: instead }) })
    return ledger.tell("message.settled", { message, finish: interrupted ? "interrupted" : "error", error: error!, ...usage })
  }
  reply.settle(changed)
  const dropped = changed && reply.parts().flatMap((part) => (part.kind === "tool" && !changed.some((kept) => kept.kind === "tool" && kept.call === part.call) ? part.call : []))
  if (dropped?.length) (await calls)?.drop(dropped)
  ledger.tell("provider.attempt.settled", { attempt, outcome: failure ? "truncated" : "completed", ...(reply.finish && { finish: reply.finish }), ...(error && { error }), ...usage })
  ledger.tell("message.settled", { message, finish: interrupted ? "interrupted" : failure ? "truncated" : reply.finish!, ...(error && { error }), ...usage, ...(dropped?.length && { dropped }) })
}

/** A call that the provider was to run and gave no result for. */
function settleHosted(ledger: Ledger, message: string): void {
  for (const call of ledger.state.activity!.turn!.calls) {
    if (call.executed === "provider" && call.state !== "settled") ledger.tell("tool.settled", { message, call: call.call, outcome: "unknown", output: JSON.stringify("the provider gave no result") })
  }
}
