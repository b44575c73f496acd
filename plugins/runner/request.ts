/**
 * Transcript → the messages of a provider turn. Pure, and byte-stable: a settled message always becomes the same
 * objects, so a longer conversation begins with the bytes of the shorter one and the provider's cache holds. Every tool
 * use has exactly one result, whatever the history went through (S14); and what some provider refuses to read again, text
 * of nothing but space and half characters, is not in it.
 */
import type { LanguageModelV4FilePart, LanguageModelV4Message, LanguageModelV4Prompt, LanguageModelV4TextPart, LanguageModelV4ToolResultOutput, LanguageModelV4ToolResultPart, SharedV4ProviderOptions } from "@ai-sdk/provider"
import { SHELL_TOLD } from "../lib/summary.ts"
import type { Message, Part } from "../session/contract.ts"
import { Beginnings } from "./begun.ts"

type Call = Extract<Part, { kind: "tool" }>
type AssistantContent = Extract<LanguageModelV4Message, { role: "assistant" }>["content"]

/** Outcomes whose output the model should read as an error. */
const ERRORS = new Set<unknown>(["error", "denied", "blocked", "invalid", "unknown-tool", "interrupted", "unknown", "not-started"])

/** What attachments are to a model, by their blob; `sight` names what that depends on. */
export interface Attached { sight: string; parts: ReadonlyMap<string, UserPart> }
type UserPart = LanguageModelV4TextPart | LanguageModelV4FilePart
const NONE: Attached = { sight: "", parts: new Map() }

/** What settled messages became. Built once: the hooks' drafts freeze it, so it can be shared from turn to turn. */
const built = new Beginnings<Message, { sight: string; prompt: LanguageModelV4Message[] }>()

export function promptOf(messages: readonly Message[], attached: Attached = NONE): LanguageModelV4Prompt {
  const known = built.of(messages)
  const begun = known?.made.sight === attached.sight ? known : undefined
  const prompt = begun ? [...begun.made.prompt] : []
  let next = begun?.items.length ?? 0
  for (; next < messages.length && isSettled(messages[next]!); next++) prompt.push(...messageOf(messages[next]!, attached))
  if (next > 0) built.keep(messages.slice(0, next), { sight: attached.sight, prompt: [...prompt] })
  for (; next < messages.length; next++) prompt.push(...messageOf(messages[next]!, attached))
  return prompt
}

export const isSettled = (message: Message): boolean => message.state === "settled" && callsOf(message).every((call) => call.state === "settled")
const callsOf = (message: Message): Call[] => message.parts.filter((part): part is Call => part.kind === "tool")

function messageOf(message: Message, attached: Attached): LanguageModelV4Message[] {
  if (message.role !== "assistant") {
    const content = message.parts.flatMap((part): UserPart[] => {
      if (part.kind === "file") return [shown(attached, part.name, part.blob)]
      const text = part.kind === "text" || part.kind === "summary" ? part.text : part.kind === "shell" ? shellText(part) : ""
      return isSaid(text) ? [{ type: "text", text: text.toWellFormed() }] : []
    })
    return content.length > 0 ? [{ role: "user", content }] : []
  }
  const content = message.parts.flatMap(assistantContent)
  const results = callsOf(message).filter((call) => call.executed !== "provider").map((call) => resultOf(call, attached))
  // Thoughts without a word or a deed are no answer; no provider takes them alone.
  if (!content.some((part) => part.type !== "reasoning")) return []
  return [{ role: "assistant", content }, ...(results.length > 0 ? [{ role: "tool" as const, content: results }] : [])]
}

const shown = ({ parts }: Attached, name: string, blob: string): UserPart => parts.get(blob) ?? { type: "text", text: `[the attached file ${name} is not there any more]` }

function assistantContent(part: Part): AssistantContent {
  switch (part.kind) {
    case "text":
      return isSaid(part.text) ? [{ type: "text", text: part.text.toWellFormed(), ...options(part.metadata) }] : []
    case "reasoning":
      return part.text === "" && part.metadata === undefined ? [] : [{ type: "reasoning", text: part.text.toWellFormed(), ...options(part.metadata) }]
    case "tool": {
      const call = { type: "tool-call" as const, toolCallId: part.call, toolName: part.name, input: parsed(part.input), ...options(part.replay?.call) }
      return part.executed === "provider" ? [{ ...call, providerExecuted: true }, resultOf(part)] : [call]
    }
    case "file": case "shell": case "summary":
      return []
    default:
      return part satisfies never
  }
}

function resultOf(call: Call, attached = NONE): LanguageModelV4ToolResultPart {
  return { type: "tool-result", toolCallId: call.call, toolName: call.name, output: outputOf(call, attached), ...options(call.replay?.result) }
}

function outputOf(call: Call, attached: Attached): LanguageModelV4ToolResultOutput {
  if (call.state !== "settled") return { type: "error-text", value: "This call did not end; whether it took effect is not known." }
  const value = (call.output ?? "").toWellFormed()
  if (call.executed === "provider" && call.outcome === "ok") return { type: "json", value: parsed(value) as never }
  if (call.files) return { type: "content", value: [{ type: "text", text: value }, ...call.files.map(({ name, blob }) => shown(attached, name, blob))] }
  return ERRORS.has(call.outcome) ? { type: "error-text", value } : { type: "text", value }
}

/** What the user did themselves, between two of their messages. */
const shellText = ({ command, state, output, exit, ending }: Extract<Part, { kind: "shell" }>): string =>
  [SHELL_TOLD, `$ ${command}`, state === "started" ? "(it has not ended)" : output || "(no output)", ...(exit ? [`(exit code ${exit})`] : []), ...(ending === "lost" ? ["(how it ended is not known)"] : [])].join("\n")

const isSaid = (text: string): boolean => text.trim() !== ""
const options = (metadata: unknown): { providerOptions?: SharedV4ProviderOptions } => (metadata === undefined ? {} : { providerOptions: metadata as SharedV4ProviderOptions })

/** Arguments as the model wrote them; what is no JSON cannot be sent back as such, and its result says what it was. */
function parsed(text: string): unknown {
  if (text.trim() === "") return {}
  try {
    return JSON.parse(text, (_, value: unknown) => (typeof value === "string" ? value.toWellFormed() : value))
  } catch {
    return {}
  }
}
