/** One model of an endpoint over Chat Completions, asked so that also a strict chat template takes it. */
import type { LanguageModelV4, LanguageModelV4Message, LanguageModelV4Prompt } from "@ai-sdk/provider"
import { CHAT_END } from "./end.ts"
import { fetchAs } from "./provider-fetch.ts"
import { ownHistory, seenBy } from "./provider-history.ts"
import type { Model } from "../model/contract.ts"
import type { Connection } from "./model-listing.ts"
import { Reasoning } from "./chat-reasoning.ts"

export async function languageModel(model: Model, { url, headers, body }: Connection): Promise<LanguageModelV4> {
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible")
  const { provider } = model
  const reasoning = new Reasoning(provider)
  const endpoint = createOpenAICompatible({ name: provider, baseURL: url, headers, fetch: fetchAs({ provider, end: CHAT_END, body }), includeUsage: true, transformRequestBody: reasoning.write, metadataExtractor: reasoning.extractor })
  const spoken = seenBy(endpoint.languageModel(model.api ?? model.id), (options) => {
    const prompt = joined(ownHistory(options.prompt, provider, model.replay))
    reasoning.read(prompt)
    return { ...options, prompt }
  })
  return {
    ...spoken,
    async doStream(options) {
      const result = await spoken.doStream(options)
      return { ...result, stream: reasoning.noted(result.stream) }
    },
  }
}

/** Many templates take one system text, at the beginning, and then a user and the assistant in turns. */
function joined(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  const messages: LanguageModelV4Message[] = []
  for (const message of prompt) {
    const before = messages.at(-1)
    if (before?.role === "system" && message.role === "system") messages[messages.length - 1] = { ...before, content: `${before.content}\n\n${message.content}` }
    else if (before?.role === "user" && message.role === "user" && isText(before) && isText(message)) messages[messages.length - 1] = { role: "user", content: [{ type: "text", text: `${textOf(before)}\n\n${textOf(message)}` }] }
    else messages.push(message)
  }
  return messages
}

type User = Extract<LanguageModelV4Message, { role: "user" }>
const isText = (message: User): boolean => message.content.every((part) => part.type === "text")
const textOf = (message: User): string => message.content.map((part) => (part.type === "text" ? part.text : "")).join("\n")
