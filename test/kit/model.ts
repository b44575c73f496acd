/** A model that plays a script: what it says, what it calls and how it fails is written down by the test, turn by turn. */
import { APICallError, type LanguageModelV4, type LanguageModelV4CallOptions, type LanguageModelV4StreamPart } from "@ai-sdk/provider"
import { definePlugin, type Definition } from "graft"

/** A call that the model makes; what it calls is told by the name. */
export interface ScriptedCall { tool: string; input?: unknown; id?: string }
/** What the provider answers instead, as HTTP says it: 429 is a rate limit, 401 a wrong key, 529 an overload. */
export interface ScriptedFailure { status: number; message?: string; /** Seconds. */ retryAfter?: number }
export interface Reply { reasoning?: string; text?: string; calls?: readonly ScriptedCall[]; fails?: ScriptedFailure; usage?: { input?: number; output?: number } }
/** One turn of the model: plain text is said, a function decides when it sees the request. */
export type Turn = string | Reply | ((request: LanguageModelV4CallOptions) => string | Reply | Promise<string | Reply>)

export const SCRIPTED = "scripted/model"

export interface ScriptedModel {
  /** The provider and its one model, to be put into a kernel. */
  plugin: Definition
  /** More turns, after those that are left. */
  play(...turns: readonly Turn[]): void
  /** What was asked of it, oldest first. */
  readonly requests: readonly LanguageModelV4CallOptions[]
  /** Turns that nobody asked for yet. */
  readonly left: number
}

export function scriptedModel(...script: readonly Turn[]): ScriptedModel {
  const turns = [...script]
  const requests: LanguageModelV4CallOptions[] = []
  const model: LanguageModelV4 = {
    specificationVersion: "v4", provider: "scripted", modelId: "model", supportedUrls: {},
    async doStream(request) {
      requests.push(request)
      request.abortSignal?.throwIfAborted()
      const turn = turns.shift()
      const given = turn === undefined ? beyond(requests.length) : typeof turn === "function" ? await turn(request) : turn
      const reply = typeof given === "string" ? { text: given } : given
      if (reply.fails) throw failure(reply.fails)
      return { stream: ReadableStream.from(partsOf(reply, requests.length)) }
    },
    doGenerate: () => Promise.reject(new Error("the scripted model only streams")),
  }
  return {
    requests,
    play: (...more) => void turns.push(...more),
    get left() { return turns.length },
    plugin: definePlugin({
      per: "location",
      setup(graft) {
        graft.add("model", { provider: "scripted", id: "model", name: "Scripted", limits: { context: 200_000, output: 8_000 }, cost: { input: 1, output: 2 }, capabilities: { tools: true, parallelTools: true, reasoning: true } })
        graft.add("provider", { id: "scripted", name: "Scripted", ready: true, rank: 1_000, defaultModel: "model", smallModel: "model", retry: "idempotent", languageModel: () => model })
      },
    }),
  }
}

/** Not retried: a script that is too short is a mistake of the test. */
const beyond = (number: number): Reply => ({ fails: { status: 400, message: `the script has ${number - 1} turns, and the model was asked for another: give it turn ${number}` } })

function failure({ status, message = `the provider answered ${status}`, retryAfter }: ScriptedFailure): APICallError {
  return new APICallError({ message, url: "https://scripted.invalid/v1", requestBodyValues: {}, statusCode: status, responseHeaders: retryAfter === undefined ? {} : { "retry-after": String(retryAfter) }, responseBody: JSON.stringify({ error: { message } }), isRetryable: status === 429 || status >= 500 })
}

function partsOf({ reasoning, text, calls = [], usage }: Reply, number: number): LanguageModelV4StreamPart[] {
  const spoken = (kind: "text" | "reasoning", id: string, words: string | undefined): LanguageModelV4StreamPart[] => (words === undefined ? [] : [{ type: `${kind}-start`, id }, { type: `${kind}-delta`, id, delta: words }, { type: `${kind}-end`, id }])
  const called = calls.flatMap(({ tool, input = {}, id }, index): LanguageModelV4StreamPart[] => {
    const [given, written] = [id ?? `call_${number}_${index}`, typeof input === "string" ? input : JSON.stringify(input)]
    return [{ type: "tool-input-start", id: given, toolName: tool }, { type: "tool-input-delta", id: given, delta: written }, { type: "tool-input-end", id: given }, { type: "tool-call", toolCallId: given, toolName: tool, input: written }]
  })
  const [input, output] = [usage?.input ?? 10, usage?.output ?? 5]
  return [
    { type: "stream-start", warnings: [] },
    ...spoken("reasoning", "r", reasoning), ...spoken("text", "t", text), ...called,
    { type: "finish", finishReason: { unified: calls.length > 0 ? "tool-calls" : "stop", raw: undefined }, usage: { inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: output, text: output, reasoning: 0 } } },
  ]
}
