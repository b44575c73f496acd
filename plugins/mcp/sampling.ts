/** A server that wants a model's words (sampling): a person sees what will be asked and says yes, then the model that the session has, or the house's, answers once, without tools. */
import type { CreateMessageRequestParams, CreateMessageResult } from "@modelcontextprotocol/client"
import type { Graft } from "graft"

/** Tokens that may be written, characters that are shown to the person, and that are sent at all. */
const MOST_TOKENS = 8_192
const MOST_SHOWN = 4_000
const MOST_SENT = 200_000
const DEADLINE = 120_000

interface Whose { session?: string; call?: string; signal: AbortSignal }

/** Rejects with what the server may know of why. */
export async function sample(graft: Graft<never>, server: string, { messages, systemPrompt, maxTokens, temperature, tools }: CreateMessageRequestParams, { session, call, signal }: Whose): Promise<CreateMessageResult> {
  if (tools && tools.length > 0) throw new Error("tools are not offered to whoever asks for a model's words")
  const turns = messages.map(({ role, content }) => ({ role, text: [content].flat().map(textOf).join("\n") }))
  const detail = [...(systemPrompt ? [`system: ${systemPrompt}`] : []), ...turns.map(({ role, text }) => `${role}: ${text}`)].join("\n\n")
  if (detail.length > MOST_SENT) throw new Error(`that is more than ${MOST_SENT} characters`)
  const answer = await graft.permission.request({ action: "sampling", resource: server, detail: `The MCP server "${server}" wants a model to answer this:\n${detail.slice(0, MOST_SHOWN)}${detail.length > MOST_SHOWN ? "\n…" : ""}`, ...(session && { session }), ...(call && { call }) }, { signal })
  if (!answer.allowed) throw new Error(answer.because === "denied" ? "the user said no" : "nobody is here to say yes")
  const ref = session === undefined ? undefined : (await graft.session.get(session))?.model
  const model = await graft.model.resolve(ref)
  const late = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE)])
  let said = ""
  let cut = false
  const request = {
    model: model.ref, system: systemPrompt ? [systemPrompt] : [], tools: [], headers: {},
    messages: turns.map(({ role, text }) => ({ role, content: [{ type: "text" as const, text }] })),
    options: { maxOutputTokens: Math.max(1, Math.min(maxTokens, model.limits?.output ?? MOST_TOKENS, MOST_TOKENS)), ...(temperature !== undefined && { temperature }) },
  }
  for await (const part of graft.llm.stream(request, { signal: late })) {
    if (part.type === "text-delta") said += part.delta
    if (part.type === "finish") cut = part.finishReason.unified === "length"
  }
  return { role: "assistant", content: { type: "text", text: said }, model: model.ref, stopReason: cut ? "maxTokens" : "endTurn" }
}

function textOf(content: { type: string; text?: unknown }): string {
  if (content.type === "text" && typeof content.text === "string") return content.text
  throw new Error(`only text is passed on to a model, and this is ${content.type.slice(0, 40)}`)
}
