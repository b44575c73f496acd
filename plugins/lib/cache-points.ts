/**
 * Where a vendor is to remember a prompt that wants to be told: after the system texts (and the tools before them), and
 * after the last two messages that are not the model's, so that the next turn finds all but what it adds. The vendors
 * allow four points, three are used; the marks are on copies, because settled messages are shared from turn to turn.
 */
import type { JSONValue, LanguageModelV4Message, LanguageModelV4Prompt } from "@ai-sdk/provider"

const TAIL = 2

/** The vendor's mark, under its name in `providerOptions`. */
export interface CachePoint { name: string; mark: Record<string, JSONValue> }

export function withCachePoints(prompt: LanguageModelV4Prompt, point: CachePoint): LanguageModelV4Prompt {
  const system = prompt.findLastIndex(({ role }) => role === "system")
  const tail = prompt.flatMap(({ role }, index) => (role === "user" || role === "tool" ? [index] : [])).slice(-TAIL)
  const points = new Set([system, ...tail])
  return prompt.map((message, index) => (points.has(index) ? marked(message, point) : message))
}

const marked = (message: LanguageModelV4Message, { name, mark }: CachePoint): LanguageModelV4Message => ({
  ...message,
  providerOptions: { ...message.providerOptions, [name]: { ...mark, ...message.providerOptions?.[name] } },
})
