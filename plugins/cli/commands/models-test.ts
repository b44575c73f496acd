/** `graft models test`: one small request with one tool, and everything that can be learnt from how it is answered. */
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider"
import { messageOf, type Graft } from "graft"
import { blockOf } from "../../lib/provider-settings.ts"
import { usageOf } from "../../lib/usage.ts"
import type { LlmFailure } from "../../llm/contract.ts"
import type { Model } from "../../model/contract.ts"
import type { Terminal } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { dollars, duration, harmless, oneLine, table, tokens } from "../table.ts"

const TOOL = { name: "report", description: "Reports a word.", inputSchema: { type: "object", properties: { word: { type: "string" } }, required: ["word"], additionalProperties: false } }
const PROMPT = "Call the tool report once, with the word pong. If you cannot, answer with the word pong."
/** Room to think, where a model does. */
const ROOM = 2_000

interface Learnt { ref: string; api: string; provider: string; ok: boolean; first?: number; total: number; text: string; reasoning: number; calls: { name: string; input: string }[]; parts: Record<string, number>; finish?: string; usage?: ReturnType<typeof usageOf>; answered?: string; /** What was shown at the door, without its secret. */ credential?: string; failure?: Omit<LlmFailure, "body"> & { body?: string } }

export async function testModel(project: Graft, terminal: Terminal, wanted: string, json: boolean): Promise<number> {
  const model = await project.model.resolve(wanted)
  const learnt = await ask(project, model, terminal.signal)
  terminal.out(json ? `${JSON.stringify({ ...learnt, limits: model.limits, capabilities: model.capabilities, cost: model.cost })}\n` : table(tell(model, learnt)))
  return learnt.ok ? EXIT.done : EXIT.failed
}

async function ask(project: Graft, model: Model, signal: AbortSignal): Promise<Learnt> {
  const begun = performance.now()
  const since = () => Math.round(performance.now() - begun)
  const learnt: Learnt = { ref: model.ref, api: model.api ?? model.id, provider: model.provider, ok: false, total: 0, text: "", reasoning: 0, calls: [], parts: {} }
  const hear = (part: LanguageModelV4StreamPart) => {
    learnt.parts[part.type] = (learnt.parts[part.type] ?? 0) + 1
    if (part.type !== "stream-start" && part.type !== "response-metadata") learnt.first ??= since()
    if (part.type === "text-delta") learnt.text += part.delta
    if (part.type === "reasoning-delta") learnt.reasoning += part.delta.length
    if (part.type === "tool-call") learnt.calls.push({ name: part.toolName, input: part.input })
    if (part.type === "response-metadata" && part.modelId) learnt.answered = part.modelId
    if (part.type === "finish") Object.assign(learnt, { finish: part.finishReason.raw ?? part.finishReason.unified, usage: usageOf(part.usage, model.cost) })
  }
  try {
    const tools = model.capabilities?.tools === false ? [] : [TOOL]
    for await (const part of project.llm.stream({ model: model.ref, system: [], messages: [{ role: "user", content: [{ type: "text", text: PROMPT }] }], tools, options: { maxOutputTokens: ROOM }, headers: {} }, { signal })) hear(part)
    learnt.ok = true
  } catch (error) {
    const { code, message, class: kind, retryable, retryAfter, status, url, limit, provider, body } = error as LlmFailure
    learnt.failure = { code, class: kind, message, retryable, provider, ...(retryAfter !== undefined && { retryAfter }), ...(status !== undefined && { status }), ...(url && { url }), ...(limit !== undefined && { limit }), ...(body && { body }) }
  }
  const total = since()
  const credential = await credentialOf(project, model.provider)
  return { ...learnt, total, ...(credential !== undefined && { credential }) }
}

/** Looked at afterwards, because a token may have been renewed for the request. */
async function credentialOf(project: Graft, provider: string): Promise<string | undefined> {
  if (typeof blockOf(await project.config.get("providers", project.location), provider).key === "string") return `the key in the config (providers.${provider}.key)`
  try {
    const info = await project.auth.peek(provider)
    if (!info) return undefined
    const { kind, account, hint, source, name, expires } = info
    return `${source === "env" ? "a key" : `${kind === "oauth" ? "a login" : `a ${kind}`} (${account})`}${hint && `, …${hint}`}, from ${source === "env" ? name : source === "keychain" ? "the keychain" : name}${expires === undefined ? "" : `, good until ${new Date(expires).toISOString()}`}`
  } catch (error) {
    return messageOf(error)
  }
}

function tell({ ref, name, limits, cost, variants }: Model, { api, provider, ok, first, total, text, reasoning, calls, finish, usage, answered, credential, failure }: Learnt): string[][] {
  const call = calls[0]
  const known: [string, string | undefined][] = [
    ["model", `${ref} (${name}${api === ref.slice(provider.length + 1) ? "" : `, asked for as ${api}`}${answered && answered !== api ? `, answered by ${harmless(answered)}` : ""})`],
    ["result", ok ? `answered in ${duration(total)}${first === undefined ? "" : `, the first part after ${duration(first)}`}` : `${failure!.code} (${failure!.class ?? "unknown"}): ${harmless(failure!.message)}`],
    ["credential", credential && harmless(credential)],
    ["said", text.trim() ? oneLine(text, 200) : undefined],
    ["tools", ok ? (call ? `called ${harmless(call.name)} with ${harmless(call.input)}${call.name === TOOL.name && isPong(call.input) ? "" : ", which is not what was asked for"}${calls.length > 1 ? `, and ${calls.length - 1} more` : ""}` : "no call came") : undefined],
    ["reasoning", ok ? (reasoning ? `${reasoning} characters of it are shown` : usage?.reasoning ? "counted, and not shown" : "none") : undefined],
    ["finish", finish === undefined ? undefined : harmless(finish)],
    ["tokens", usage && `${usage.input} in (${usage.cacheRead} from the cache, ${usage.cacheWrite} into it), ${usage.output} out (${usage.reasoning} of them reasoning)`],
    ["cost", usage && (usage.cost === undefined ? "its prices are not known" : dollars(usage.cost))],
    ["context", limits?.context === undefined ? "not known" : `${tokens(limits.context)}${limits.source ? ` (${limits.source})` : ""}${limits.output ? `, at most ${tokens(limits.output)} of answer` : ""}`],
    ["prices", cost?.input === undefined ? undefined : `$${cost.input} in, $${cost.output ?? "?"} out per M${cost.tiers?.length ? `; more above ${cost.tiers.map(({ above }) => tokens(above)).join(", ")}` : ""}`],
    ["variants", variants && Object.keys(variants).join(", ")],
    ["status", failure?.status === undefined ? undefined : String(failure.status)],
    ["url", failure?.url],
    ["again", failure && (failure.retryable ? `may pass by itself${failure.retryAfter === undefined ? "" : `; it asks to wait ${duration(failure.retryAfter)}`}` : "will not pass by itself")],
    ["body", failure?.body && harmless(failure.body).slice(0, 500)],
  ]
  return known.flatMap(([what, value]) => (value === undefined ? [] : [[what, value.replaceAll(/\s*\n\s*/g, " ")]]))
}

function isPong(input: string): boolean {
  try {
    return (JSON.parse(input) as { word?: unknown }).word === "pong"
  } catch {
    return false
  }
}
