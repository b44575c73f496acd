/** Everything that a request is made of, gathered anew each turn; what it was made of is kept by content before it leaves. */
import { createHash } from "node:crypto"
import { paths } from "../lib/paths.ts"
import { afterBoundary } from "../lib/transcript.ts"
import type { TurnRequest } from "../llm/contract.ts"
import type { Model } from "../model/contract.ts"
import type { Failure, RetryClass } from "../session/contract.ts"
import type { ToolSet } from "../tool/contract.ts"
import { attachmentsOf } from "./attached.ts"
import { contextOf, hashOf, IDEMPOTENCY } from "./context.ts"
import { promptOf } from "./request.ts"
import { failureOf, plainFailure, retryClassOf } from "./retry.ts"
import { systemTexts } from "./system.ts"
import type { Work } from "./turn.ts"

const MOST_CONTEXTS = 256
/** What nobody names may be pruned a day after it was last put. */
const PUT_AGAIN = 3_600_000

export interface Prepared { model: Model; tools: ToolSet; request: TurnRequest; class: RetryClass; hash: string; context: string }

/** The session's own, or its agent's, or whatever is configured; where that one could not, the one that took over. */
export async function modelFor({ graft, session, ledger }: Pick<Work, "graft" | "session" | "ledger">): Promise<Model> {
  const { instead } = ledger.state.activity ?? {}
  if (instead !== undefined) return graft.model.resolve(instead)
  const agent = session.agent === undefined ? undefined : await graft.agent.get(session.agent)
  return graft.model.resolve(session.model ?? agent?.model, "default", agent && { agent: agent.name })
}

/** Or why it cannot be had. */
export async function prepare(work: Work, turn: number): Promise<Prepared | Failure> {
  const { graft, session, ledger, seen } = work
  const { transcript, activity } = ledger.state
  let tools: ToolSet | undefined
  try {
    const [model, instructions] = await Promise.all([modelFor(work), graft.instruction.system(session.directory, session.id)])
    tools = await graft.tool.advertise()
    const told = afterBoundary(transcript)
    const messages = promptOf(told, await attachmentsOf(graft.store, told, model.capabilities, seen))
    const { value: hooked } = await graft.mutate("turn.request", {
      session: session.id, model: model.ref, system: systemTexts(paths(graft.kernel.host.dataDir).config, session.directory, session.location, instructions), messages,
      tools: model.capabilities?.tools === false ? [] : tools.tools, options: {}, headers: {},
    })
    const retry = retryClassOf(graft, model, hooked)
    // By the same key in each try of a turn the provider knows that it is the same.
    const request = retry === "idempotent" ? { ...hooked, headers: { [IDEMPOTENCY]: `${session.id}.${activity!.id}.${turn}`, ...hooked.headers } } : hooked
    const text = contextOf(request, messages)
    const context = createHash("sha256").update(text).digest("hex")
    await keep(work, context, text)
    return { model, tools, request, class: retry, context, hash: hashOf(request, context) }
  } catch (error) {
    tools?.dispose()
    return plainFailure(failureOf(error))
  }
}

/** Before the event that names it: no event refers to a blob that is not there (S24). */
async function keep({ graft, contexts }: Work, context: string, text: string): Promise<void> {
  const now = Date.now()
  if (now - (contexts.get(context) ?? 0) < PUT_AGAIN) return
  await graft.store.putBlob(text, "application/json")
  if (contexts.size >= MOST_CONTEXTS) contexts.clear()
  contexts.set(context, now)
}
