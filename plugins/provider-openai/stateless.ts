/**
 * Reasoning as it goes back to a service that has stored nothing: each item once, whole, with its encrypted content and
 * without its id. The stream gives one part for each paragraph of an item's summary, and only the last has the content.
 */
import type { LanguageModelV4Message, LanguageModelV4Prompt, LanguageModelV4ReasoningPart } from "@ai-sdk/provider"

type Part = Extract<LanguageModelV4Message, { role: "assistant" }>["content"][number]

export function withoutItemIds(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  return prompt.map((message) => (message.role === "assistant" ? { ...message, content: whole(message.content) } : message))
}

function whole(content: readonly Part[]): Part[] {
  const items = Map.groupBy(content.filter((part): part is LanguageModelV4ReasoningPart => part.type === "reasoning"), itemOf)
  return content.flatMap((part): Part[] => {
    if (part.type !== "reasoning") return [part]
    const item = items.get(itemOf(part))!
    if (part !== item[0]) return []
    const reasoningEncryptedContent = item.map(({ providerOptions }) => providerOptions?.openai?.reasoningEncryptedContent).findLast((encrypted) => typeof encrypted === "string" && encrypted !== "")
    return reasoningEncryptedContent === undefined ? [] : [{ type: "reasoning", text: item.map(({ text }) => text).filter(Boolean).join("\n\n"), providerOptions: { openai: { reasoningEncryptedContent } } }]
  })
}

/** A part without an id is an item of its own. */
const itemOf = (part: LanguageModelV4ReasoningPart): unknown => part.providerOptions?.openai?.itemId ?? part
