/**
 * One attempt at one provider turn: take in what waits, build the request, say that it leaves, stream the reply, run its
 * calls, settle it. It ends with everything settled, however it ends; what follows from it is `decide`'s.
 */
import { createHash } from "node:crypto"
import type { Graft } from "graft"
import { paths } from "../lib/paths.ts"
import { orStopped } from "../lib/stopped.ts"
import type { TurnRequest } from "../llm/contract.ts"
import type { Model } from "../model/contract.ts"
import type { Failure, Session } from "../session/contract.ts"
import type { ToolCall, ToolSet } from "../tool/contract.ts"
import type { Calls } from "./calls.ts"
import type { Pending } from "./decide.ts"
import type { Ledger } from "./ledger.ts"
import { Reply, type Called } from "./reply.ts"
import { promptOf } from "./request.ts"
import { failureOf, plainFailure, retryDelay, type Failing } from "./retry.ts"
import { dayNote, dayOf, isoDay, systemTexts } from "./system.ts"

/** Calls that one reply may make; the model is told of the rest. */
export const MOST_CALLS = 64
const MOST_CONTEXTS = 256
/** How long a provider's stream may take to notice that nobody listens any more. */
const STREAM_GRACE = 500

export interface Work {
  graft: Graft
  session: Session
  ledger: Ledger
  /** Ends the turn: an interrupt, a lost claim, or the end of this generation. */
  stop: AbortSignal
  /** Context blobs that are stored already. */
  contexts: Set<string>
  chance(): number
}

interface Prepared { model: Model; tools: ToolSet; request: TurnRequest; hash: string; context: string; stored: Promise<void> }

/** A reason why nothing could be sent, or undefined. Steers become messages, the model is told the day when it changed and what it should know, and the turn begins. */
export async function startTurn(work: Work, inputs: readonly Pending[], note?: string): Promise<Failure | undefined> {
  const { ledger } = work
  const activity = ledger.state.activity!
  // An input may be taken back at this very moment: the log then refuses the commit that takes it in, and nothing else with it.
  if (inputs.length > 0) await ledger.commit()
  takeIn(work, inputs)
  if (note !== undefined) tellNote(ledger, note)
  const prepared = await prepareUnlessStopped(work)
  if (!prepared || "code" in prepared) return prepared
  const turn = activity.turns + 1
  ledger.tell("activity.turn.started", { activity: activity.id, turn })
  ledger.tell("message.created", { message: `${activity.id}.${turn}`, role: "assistant", activity: activity.id, model: prepared.model.ref })
  await attempt(work, prepared, 1)
  return undefined
}

/** The same turn once more; models, tools and hooks are asked again. */
export async function retryTurn(work: Work): Promise<Failure | undefined> {
  const prepared = await prepareUnlessStopped(work)
  if (!prepared || "code" in prepared) return prepared
  await attempt(work, prepared, work.ledger.state.activity!.turn!.attempt!.n + 1)
  return undefined
}

export function takeIn({ ledger }: Pick<Work, "ledger">, inputs: readonly Pending[]): void {
  if (inputs.length === 0) return
  const today = new Date()
  const told = ledger.state.transcript.messages.findLast((message) => message.role === "synthetic" && textOf(message.parts[0]) && dayOf(textOf(message.parts[0])!))
  if (!told || dayOf(textOf(told.parts[0])!) !== isoDay(today)) tellNote(ledger, dayNote(today))
  for (const { id, text, delivery, resume } of inputs) {
    ledger.witness("session.input.admitted", { input: id, text, delivery, resume, hash: "" })
    ledger.tell("session.input.promoted", { input: id, activity: ledger.state.activity!.id })
  }
}

const textOf = (part: { kind: string; text?: string } | undefined): string | undefined => part?.text

function tellNote(ledger: Ledger, text: string): void {
  const activity = ledger.state.activity!
  ledger.tell("message.created", { message: `${activity.id}:n${activity.notes + 1}`, role: "synthetic", activity: activity.id, text })
}

/** Models, tools and hooks are others' and take their time: an interrupt does not wait for them. What comes too late is let go. */
async function prepareUnlessStopped(work: Work): Promise<Prepared | Failure | undefined> {
  const preparing = prepare(work)
  const prepared = await orStopped(preparing, work.stop)
  if (!work.stop.aborted) return prepared
  void preparing.then((late) => { if ("tools" in late) late.tools.dispose() })
  return undefined
}

/** Everything that a request is made of, or why it cannot be had. */
async function prepare(work: Work): Promise<Prepared | Failure> {
  const { graft, session, ledger } = work
  let tools: ToolSet | undefined
  try {
    const [model, instructions] = await Promise.all([graft.model.resolve(session.model), graft.instruction.system(session.directory)])
    tools = await graft.tool.advertise()
    const system = systemTexts(paths(graft.kernel.host.dataDir).config, session.directory, session.location, instructions)
    const { value: request } = await graft.mutate("turn.request", {
      model: model.ref, system, messages: promptOf(ledger.state.transcript.messages),
      tools: model.capabilities?.tools === false ? [] : tools.tools, options: {}, headers: {},
    })
    const text = JSON.stringify({ system: request.system, tools: request.tools })
    const context = sha256(text)
    const stored = keepContext(work, context, text)
    stored.catch(() => {})
    return { model, tools, request, context, hash: hashOf(request, context), stored }
  } catch (error) {
    tools?.dispose()
    return plainFailure(failureOf(error))
  }
}

/** What the model was told of itself and its tools, by content: any request can be rebuilt. */
async function keepContext({ graft, contexts }: Work, context: string, text: string): Promise<void> {
  if (contexts.has(context)) return
  await graft.store.putBlob(text, "application/json")
  if (contexts.size >= MOST_CONTEXTS) contexts.clear()
  contexts.add(context)
}

async function attempt(work: Work, { model, tools, request, hash, context, stored }: Prepared, n: number): Promise<void> {
  const { graft, session, ledger, stop } = work
  const { activity } = ledger.state
  const { number: turn, message } = activity!.turn!
  const id = `${activity!.id}.${turn}.${n}`
  ledger.tell("provider.attempt.prepared", { attempt: id, activity: activity!.id, turn, n, message, model: model.ref, hash, context, class: "billing-only" })
  ledger.tell("provider.attempt.dispatched", { attempt: id })
  let calls: Promise<Calls> | undefined
  try {
    const [, kept] = await Promise.all([ledger.commit(), stored.then(() => undefined, failureOf)])
    if (kept) return notSent(ledger, id, message, plainFailure(kept))
    const open = () => (calls ??= import("./calls.ts").then(({ openCalls }) => openCalls({ graft, ledger, tools, message, signal: stop })))
    const reply = new Reply({ graft, ledger, session: session.id, message, attempt: id, cost: model.cost, calling: () => void open().catch(() => {}), called: (call) => called(work, tools, open, message, call) })
    const failure = await stream(work, request, reply)
    if (stop.aborted) ledger.hold()
    await settleReply(work, reply, { attempt: id, n, message, model: model.ref, failure, calls })
    await (await calls?.catch(() => undefined))?.join()
  } finally {
    await (await calls?.catch(() => undefined))?.close()
    tools.dispose()
  }
}

/** What the model would have been told could not be kept, so it is not told. */
function notSent(ledger: Ledger, attempt: string, message: string, error: Failure): void {
  ledger.tell("provider.attempt.settled", { attempt, outcome: "failed", error })
  ledger.tell("message.settled", { message, finish: "error", error })
}

const INTERRUPTED: Failing = { code: "llm.aborted", message: "interrupted" }

/** Reads the stream to its end. What went wrong is a value; a stream that does not hear the signal is left alone after a grace. */
async function stream({ graft, stop }: Work, request: TurnRequest, reply: Reply): Promise<Failing | undefined> {
  if (stop.aborted) return INTERRUPTED
  const read = async (): Promise<Failing | undefined> => {
    try {
      for await (const part of graft.llm.stream(request, { signal: stop })) reply.accept(part)
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

interface Ending { attempt: string; n: number; message: string; model: string; failure: Failing | undefined; calls: Promise<Calls> | undefined }

/** T10: the reply is closed. It does not wait for its tools, so a slow one cannot leave the provider's outcome unknown. */
async function settleReply({ graft, session, ledger, stop, chance }: Work, reply: Reply, { attempt, n, message, model, failure, calls }: Ending): Promise<void> {
  const error: Failure | undefined = failure && plainFailure(failure)
  settleHosted(ledger, message)
  const changed = failure ? undefined : (await orStopped(graft.mutate("turn.response", { session: session.id, model, finish: reply.finish!, parts: reply.parts() }), stop))?.value.parts
  const usage = reply.usage && { usage: reply.usage }
  const interrupted = stop.aborted && failure !== undefined
  if (failure && !reply.output) {
    ledger.tell("provider.attempt.settled", { attempt, outcome: "failed", error: error!, ...usage })
    const delay = interrupted ? undefined : retryDelay(failure, n, chance())
    if (delay !== undefined) return ledger.tell("provider.attempt.retry.scheduled", { attempt, n: n + 1, at: Date.now() + delay, delay, error: error! })
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

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** A digest for each message is remembered, so a long conversation costs no more than its last turn. */
const digests = new WeakMap<object, string>()
function hashOf(request: TurnRequest, context: string): string {
  const hash = createHash("sha256").update(`${request.model} ${context} ${JSON.stringify(request.options)}`)
  for (const message of request.messages) {
    let digest = digests.get(message)
    if (digest === undefined) digests.set(message, (digest = sha256(JSON.stringify(message))))
    hash.update(digest)
  }
  return hash.digest("base64url")
}
