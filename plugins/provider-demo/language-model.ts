/** The demo as a LanguageModelV4: the parts, in the order and pieces in which real providers stream them. */
import { setTimeout as wait } from "node:timers/promises"
import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4FinishReason, LanguageModelV4StreamPart, LanguageModelV4Usage } from "@ai-sdk/provider"
import { replyTo, type Reply } from "./reply.ts"

export const PROVIDER = "demo"
export const MODEL = "demo"
/** Characters a piece of streamed tool input. */
const PIECE = 12

/** `delay` is the time between two parts, in milliseconds; `about`: each answer ends with what this is. */
export function makeDemo(delay: () => number, about: () => boolean = () => true): LanguageModelV4 {
  return {
    specificationVersion: "v4",
    provider: PROVIDER,
    modelId: MODEL,
    supportedUrls: {},
    async doStream(options) {
      options.abortSignal?.throwIfAborted()
      return { stream: ReadableStream.from(paced(partsOf(options, about()), delay(), options.abortSignal)) }
    },
    async doGenerate(options) {
      options.abortSignal?.throwIfAborted()
      const { reasoning, text, calls } = replyFor(options, about())
      return {
        content: [
          ...(reasoning ? [{ type: "reasoning" as const, text: reasoning }] : []),
          ...(text ? [{ type: "text" as const, text }] : []),
          ...calls.map(({ id, tool, input }) => ({ type: "tool-call" as const, toolCallId: id, toolName: tool, input })),
        ],
        finishReason: finishOf(calls.length), usage: usageOf(options, { reasoning, text, calls }), warnings: [],
      }
    },
  }
}

function replyFor(options: LanguageModelV4CallOptions, about: boolean): Reply {
  const tools = options.toolChoice?.type === "none" ? [] : (options.tools ?? [])
  const reply = replyTo(options.prompt, new Set(tools.map(({ name }) => name)), about)
  return options.reasoning === "none" ? { ...reply, reasoning: "" } : reply
}

export function* partsOf(options: LanguageModelV4CallOptions, about = true): Generator<LanguageModelV4StreamPart> {
  const reply = replyFor(options, about)
  yield { type: "stream-start", warnings: [] }
  yield { type: "response-metadata", id: `demo_${options.prompt.length}`, modelId: MODEL }
  if (reply.reasoning) {
    yield { type: "reasoning-start", id: "reasoning" }
    for (const delta of wordsOf(reply.reasoning)) yield { type: "reasoning-delta", id: "reasoning", delta }
    yield { type: "reasoning-end", id: "reasoning" }
  }
  if (reply.text) {
    yield { type: "text-start", id: "text" }
    for (const delta of wordsOf(reply.text)) yield { type: "text-delta", id: "text", delta }
    yield { type: "text-end", id: "text" }
  }
  for (const { id, tool, input } of reply.calls) {
    yield { type: "tool-input-start", id, toolName: tool }
    for (const delta of piecesOf(input)) yield { type: "tool-input-delta", id, delta }
    yield { type: "tool-input-end", id }
    yield { type: "tool-call", toolCallId: id, toolName: tool, input }
  }
  yield { type: "finish", finishReason: finishOf(reply.calls.length), usage: usageOf(options, reply) }
}

async function* paced(parts: Iterable<LanguageModelV4StreamPart>, delay: number, signal: AbortSignal | undefined): AsyncGenerator<LanguageModelV4StreamPart> {
  for (const part of parts) {
    if (delay > 0) await wait(delay, undefined, signal ? { signal } : {})
    signal?.throwIfAborted()
    yield part
  }
}

const wordsOf = (text: string): string[] => text.match(/\s*\S+\s*/g) ?? []
/** Never half a character. */
const piecesOf = (text: string): string[] => { const characters = [...text]; return Array.from({ length: Math.ceil(characters.length / PIECE) }, (_, index) => characters.slice(index * PIECE, (index + 1) * PIECE).join("")) }

const finishOf = (calls: number): LanguageModelV4FinishReason => (calls > 0 ? { unified: "tool-calls", raw: "tool-calls" } : { unified: "stop", raw: "stop" })

/** There are no tokens: four characters count as one. */
function usageOf({ prompt, tools }: LanguageModelV4CallOptions, { reasoning, text, calls }: Reply): LanguageModelV4Usage {
  const tokens = (length: number) => Math.ceil(length / 4)
  const input = tokens(JSON.stringify(prompt).length + JSON.stringify(tools ?? []).length)
  const thought = tokens(reasoning.length)
  const said = tokens(text.length + calls.reduce((sum, call) => sum + call.tool.length + call.input.length, 0))
  return { inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: thought + said, text: said, reasoning: thought } }
}
