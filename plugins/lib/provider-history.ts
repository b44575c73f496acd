/**
 * What one vendor can be told of a conversation that another one may have had part in. Reasoning goes back only to where
 * it came from, and there as the model's row wants it; what a vendor ran by itself is told in words, because a reference
 * to it would lead nowhere; and ids of calls are written in letters that everybody takes. Pure, and the same each time,
 * so that a prompt cache holds.
 */
import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4Message, LanguageModelV4Prompt, LanguageModelV4ToolResultOutput } from "@ai-sdk/provider"
import type { Replay } from "../model/contract.ts"

type Assistant = Extract<LanguageModelV4Message, { role: "assistant" }>
type Part = Assistant["content"][number]
type Results = Extract<LanguageModelV4Message, { role: "tool" }>
type UserContent = Extract<LanguageModelV4Message, { role: "user" }>["content"]
type Items = Extract<LanguageModelV4ToolResultOutput, { type: "content" }>["value"]

/** The same model, with its options seen first by `change`. */
export function seenBy(model: LanguageModelV4, change: (options: LanguageModelV4CallOptions) => LanguageModelV4CallOptions): LanguageModelV4 {
  return {
    specificationVersion: "v4",
    provider: model.provider,
    modelId: model.modelId,
    supportedUrls: model.supportedUrls,
    doGenerate: (options) => model.doGenerate(change(options)),
    doStream: (options) => model.doStream(change(options)),
  }
}

/** The conversation as the vendor may read it that bears one of these names in `providerOptions`. */
export function ownHistory(prompt: LanguageModelV4Prompt, names: string | readonly string[], replay: Replay = "keep", inResults: InResults = () => false): LanguageModelV4Prompt {
  const own = [names].flat()
  const asked = prompt.findLastIndex(({ role }) => role === "user")
  return prompt.flatMap((message, index): LanguageModelV4Message[] => {
    if (message.role === "tool") return resultsOf(message, inResults)
    if (message.role !== "assistant") return [message]
    const content = message.content.flatMap((part) => (part.type === "reasoning" ? reasoning(part, own, replay, index > asked) : assistantPart(part)))
    return content.length > 0 ? [{ ...message, content }] : []
  })
}

/** Whether the protocol takes files of this media type in the result of a call. */
export type InResults = (media: string) => boolean

/** What a result cannot hold is said by the user right after it. */
function resultsOf(message: Results, inResults: InResults): LanguageModelV4Message[] {
  const aside: UserContent = []
  const content = message.content.map((part) => {
    if (part.type !== "tool-result") return part
    const own = { ...part, toolCallId: callId(part.toolCallId) }
    if (part.output.type !== "content") return own
    const files = part.output.value.filter((item) => item.type === "file").filter(({ mediaType }) => !inResults(mediaType))
    if (files.length > 0) aside.push({ type: "text", text: `${part.toolName} gave ${files.map(({ filename = "a file" }) => filename).join(", ")}:` }, ...files)
    return { ...own, output: outputOf(part.output.value.filter((item) => !files.some((file) => file === item))) }
  })
  return [{ ...message, content }, ...(aside.length > 0 ? [{ role: "user" as const, content: aside }] : [])]
}

const outputOf = (items: Items): LanguageModelV4ToolResultOutput => (items.every((item) => item.type === "text") ? { type: "text", value: items.map(({ text }) => text).join("\n") } : { type: "content", value: items })

/** `last`: nobody has asked anything since. */
function reasoning(part: Extract<Part, { type: "reasoning" }>, own: readonly string[], replay: Replay, last: boolean): Part[] {
  const mine = own.some((name) => part.providerOptions?.[name] !== undefined)
  switch (replay) {
    case "keep": return mine ? [part] : []
    case "last-turn": return mine && last ? [part] : []
    case "convert": return part.text.trim() === "" ? [] : [{ type: "text", text: `<thinking>\n${part.text}\n</thinking>\n` }]
    case "strip": return []
    default: return replay satisfies never
  }
}

function assistantPart(part: Exclude<Part, { type: "reasoning" }>): Part[] {
  switch (part.type) {
    case "tool-call":
      return part.providerExecuted ? [{ type: "text", text: `\n[${part.toolName}, run by the provider, with ${JSON.stringify(part.input)}]` }] : [{ ...part, toolCallId: callId(part.toolCallId) }]
    case "tool-result":
      return [{ type: "text", text: `\n[${part.toolName} gave: ${outputText(part.output)}]` }]
    default:
      return [part]
  }
}

/** Anthropic takes letters, digits, "_" and "-"; OpenAI 64 of them. */
function callId(id: string): string {
  if (/^[\w-]{1,64}$/.test(id)) return id
  let hash = 5381
  for (const letter of id) hash = (hash * 33 + letter.codePointAt(0)!) >>> 0
  return `${id.replaceAll(/[^\w-]/g, "_").slice(0, 48)}_${hash.toString(36)}`
}

function outputText(output: LanguageModelV4ToolResultOutput): string {
  switch (output.type) {
    case "text": case "error-text": return output.value
    case "json": case "error-json": return JSON.stringify(output.value)
    case "execution-denied": return output.reason ?? "it was not allowed"
    case "content": return output.value.map((part) => (part.type === "text" ? part.text : `(${part.type})`)).join("\n")
    default: return output satisfies never
  }
}
