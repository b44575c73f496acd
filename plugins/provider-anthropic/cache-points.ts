/**
 * Where Anthropic is to remember a prompt: after the system texts (and the tools before them), and after the last two
 * messages that are not the model's, so that the next turn finds all but what it adds. Four points are allowed, three are
 * used; the marks are on copies, because settled messages are shared from turn to turn.
 */
import type { LanguageModelV4Message, LanguageModelV4Prompt } from "@ai-sdk/provider"

const TAIL = 2

export function withCachePoints(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  const system = prompt.findLastIndex(({ role }) => role === "system")
  const tail = prompt.flatMap(({ role }, index) => (role === "user" || role === "tool" ? [index] : [])).slice(-TAIL)
  const points = new Set([system, ...tail])
  return prompt.map((message, index) => (points.has(index) ? marked(message) : message))
}

const marked = (message: LanguageModelV4Message): LanguageModelV4Message => ({
  ...message,
  providerOptions: { ...message.providerOptions, anthropic: { cacheControl: { type: "ephemeral" }, ...message.providerOptions?.anthropic } },
})
