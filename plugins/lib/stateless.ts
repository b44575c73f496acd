/**
 * Reasoning as it goes back to a service that has stored nothing: each item once, whole, with its encrypted content and
 * without its id. The stream gives one part for each paragraph of an item's summary, and only the last has the content.
 */
import type { LanguageModelV4CallOptions, LanguageModelV4Message, LanguageModelV4Prompt, LanguageModelV4ReasoningPart } from "@ai-sdk/provider"
import type { Model } from "../model/contract.ts"
import { ownHistory } from "./provider-history.ts"

type Part = Extract<LanguageModelV4Message, { role: "assistant" }>["content"][number]

/** A turn over the Responses API of OpenAI, or of whoever runs it under another `name`. */
export const statelessFor = (model: Model, name: string) => (options: LanguageModelV4CallOptions): LanguageModelV4CallOptions => {
  // The SDK knows the models of its day; ours are in the catalogue.
  const reasons = model.capabilities?.reasoning
  return {
    ...options,
    prompt: withoutItemIds(ownHistory(options.prompt, [name, model.provider], model.replay, takesInResults), name),
    providerOptions: {
      ...options.providerOptions,
      [name]: { store: false, ...(reasons !== undefined && { forceReasoning: reasons }), ...(reasons && options.reasoning !== "none" && { reasoningSummary: "auto" }), ...options.providerOptions?.[name] },
    },
  }
}

/** What the Responses API takes in the output of a call. */
const takesInResults = (media: string): boolean => media.startsWith("image/") || media === "application/pdf"

export function withoutItemIds(prompt: LanguageModelV4Prompt, name: string): LanguageModelV4Prompt {
  return prompt.map((message) => (message.role === "assistant" ? { ...message, content: whole(message.content, name) } : message))
}

function whole(content: readonly Part[], name: string): Part[] {
  /** A part without an id is an item of its own. */
  const itemOf = (part: LanguageModelV4ReasoningPart): unknown => part.providerOptions?.[name]?.itemId ?? part
  const items = Map.groupBy(content.filter((part): part is LanguageModelV4ReasoningPart => part.type === "reasoning"), itemOf)
  return content.flatMap((part): Part[] => {
    if (part.type !== "reasoning") return [part]
    const item = items.get(itemOf(part))!
    if (part !== item[0]) return []
    const reasoningEncryptedContent = item.map(({ providerOptions }) => providerOptions?.[name]?.reasoningEncryptedContent).findLast((encrypted) => typeof encrypted === "string" && encrypted !== "")
    return reasoningEncryptedContent === undefined ? [] : [{ type: "reasoning", text: item.map(({ text }) => text).filter(Boolean).join("\n\n"), providerOptions: { [name]: { reasoningEncryptedContent } } }]
  })
}
