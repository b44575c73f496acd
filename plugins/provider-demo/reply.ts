/**
 * What the demo answers to a prompt: pure, and the same each time. It makes the calls of the next stage, or says what
 * came of those that were made. Only tools that the request offers are called.
 */
import type { LanguageModelV4Prompt, LanguageModelV4ToolResultOutput, LanguageModelV4ToolResultPart } from "@ai-sdk/provider"
import { conversationIn, isSummary, SHELL_TOLD } from "../lib/summary.ts"
import { count, describeFile, describePlan, describeProject } from "./describe.ts"
import { RULES, type Step } from "./rules.ts"
import { summarise } from "./summarise.ts"
import { understand, type Understood } from "./understand.ts"

export interface Call { id: string; tool: string; input: string }
export interface Reply { reasoning: string; text: string; calls: Call[] }
interface Done { step: Step; output: string; failed: boolean }

const SHOWN_LINES = 40
/** A note of the host, not of the person: the day, that it should go on, or what was folded. */
const isNote = (text: string): boolean => /^Today is \d{4}-\d{2}-\d{2} |^Continue\.$/.test(text) || isSummary(text) || text.startsWith(SHELL_TOLD)
const CALL = /^demo_\d+_(\d+)_(\d+)$/

export const ABOUT = "This is Graft's built-in demo: rules, not a language model. For a real one run `graft auth login anthropic` (or `openai`), set ANTHROPIC_API_KEY or OPENAI_API_KEY, or name an OpenAI-compatible URL in the config."
export const CAPABILITIES = RULES.map(({ example, does }) => `- \`${example}\`: ${does}`).join("\n")

export function replyTo(prompt: LanguageModelV4Prompt, offered: ReadonlySet<string>, about = true): Reply {
  const { requests, since } = lastRequests(prompt)
  const conversation = conversationIn(requests.at(-1) ?? "")
  if (conversation !== undefined) return { reasoning: "", text: summarise(conversation), calls: [] }
  const understood = together(requests.map(understand))
  const { done, rounds } = whatWasDone(since, understood)
  const stage = understood.stages[rounds]
  const missing = [...new Set(understood.stages.flat().map(({ tool }) => tool))].filter((tool) => !offered.has(tool))
  const stopped = done.some(({ failed }) => failed)
  if (stage && !stopped) {
    const calls = stage.flatMap((step, index): Call[] => (offered.has(step.tool) ? [{ id: `demo_${prompt.length}_${rounds}_${index}`, tool: step.tool, input: JSON.stringify(step.input) }] : []))
    const made = stage.filter(({ tool }) => offered.has(tool))
    if (calls.length > 0) return { reasoning: reasons(understood, rounds, calls.length), text: made.map(({ says }) => says).join(" "), calls }
  }
  const left = stopped ? understood.stages.slice(rounds).flat() : []
  return { reasoning: reasons(understood, rounds, 0), text: answer(understood, done, left, missing, about), calls: [] }
}

/** What the person asked last, in one message or in several that came together, and everything after it. */
function lastRequests(prompt: LanguageModelV4Prompt): { requests: string[]; since: LanguageModelV4Prompt } {
  const said = prompt.map((message) => (message.role === "user" ? message.content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n") : ""))
  const isRequest = (index: number) => prompt[index]?.role === "user" && said[index] !== "" && !isNote(said[index]!)
  const last = prompt.findLastIndex((_, index) => isRequest(index))
  let first = last
  while (first > 0 && prompt[first - 1]!.role === "user") first--
  return { requests: said.slice(Math.max(0, first), last + 1).filter((text) => text !== "" && !isNote(text)), since: prompt.slice(last + 1) }
}

/** One after the other, each as it would be alone: what follows "run:" ends with its message. */
const together = (all: readonly Understood[]): Understood => ({ stages: all.flatMap(({ stages }) => stages), rules: all.flatMap(({ rules }) => rules), unknown: all.flatMap(({ unknown }) => unknown) })

/** Results find their step by the call's id; `rounds` counts the answers that made calls. */
function whatWasDone(since: LanguageModelV4Prompt, understood: Understood): { done: Done[]; rounds: number } {
  const results = since.flatMap((message) => (message.role === "tool" ? message.content.filter((part): part is LanguageModelV4ToolResultPart => part.type === "tool-result") : []))
  const done = results.map(({ toolCallId, toolName, output }): Done => {
    const [, stage, index] = CALL.exec(toolCallId) ?? []
    const step = understood.stages[Number(stage)]?.[Number(index)]
    return { step: step?.tool === toolName ? step : { tool: toolName, input: {}, says: "", use: "show" }, ...textOf(output) }
  })
  const rounds = since.filter((message) => message.role === "assistant" && message.content.some((part) => part.type === "tool-call")).length
  return { done, rounds }
}

function textOf(output: LanguageModelV4ToolResultOutput): { output: string; failed: boolean } {
  switch (output.type) {
    case "text": return { output: output.value, failed: false }
    case "error-text": return { output: output.value, failed: true }
    case "json": return { output: JSON.stringify(output.value, null, 2), failed: false }
    case "error-json": return { output: JSON.stringify(output.value, null, 2), failed: true }
    case "execution-denied": return { output: output.reason ?? "it was not allowed", failed: true }
    case "content": return { output: output.value.map((part) => (part.type === "text" ? part.text : `(${part.type})`)).join("\n"), failed: false }
    default: return output satisfies never
  }
}

function reasons({ rules, unknown, stages }: Understood, rounds: number, calls: number): string {
  if (rules.length === 0) return "No rule matches this request, so I say what I can do."
  const matched = `The request matches ${count(rules.length, "rule")}: ${rules.join(", ")}.${unknown.length > 0 ? ` Nothing matches ${some(unknown)}.` : ""}`
  if (calls > 0) return `${matched} Step ${rounds + 1} of ${stages.length}: ${count(calls, "call")}${calls > 1 ? " at once" : ""}.`
  return `${matched} No call is left to make, so I answer from the results.`
}

function answer({ unknown, rules }: Understood, done: readonly Done[], left: readonly Step[], missing: readonly string[], about: boolean): string {
  if (rules.length === 0) return `I understand only a small set of requests, and this is none of them. I can do this, also several at once with "and", or one after the other with "then":\n${CAPABILITIES}\n\n${ABOUT}`
  // What was read only to be edited is not shown when the edit's own result is.
  const edits = new Set(done.filter(({ step }) => step.tool === "edit").map(({ step }) => step.input.path))
  const parts = done.filter(({ step, failed }) => failed || !(step.tool === "read" && step.use === "show" && edits.has(step.input.path))).map(told)
  if (left.length > 0) parts.push(`So I did not go on with: ${left.map(label).join(", ")}.`)
  if (missing.length > 0) parts.push(`I would need ${missing.map((tool) => `the tool \`${tool}\``).join(" and ")} for ${missing.length > 1 || done.length > 0 ? "the rest" : "this"}, and the request does not offer ${missing.length > 1 ? "them" : "it"}.`)
  if (unknown.length > 0) parts.push(`I did not understand: ${some(unknown)}. What I can do:\n${CAPABILITIES}`)
  return [...parts, ...(about ? [ABOUT] : [])].join("\n\n")
}

const MOST_NAMED = 5
const some = (texts: readonly string[]): string => `"${texts.slice(0, MOST_NAMED).join('", "')}"${texts.length > MOST_NAMED ? ` and ${texts.length - MOST_NAMED} more` : ""}`

const label = ({ tool, input }: Step): string => `\`${[tool, ...["command", "pattern", "path"].flatMap((key) => (typeof input[key] === "string" ? [input[key]] : [])).slice(0, 1)].join(" ")}\``

function told({ step, output, failed }: Done): string {
  if (failed) return `${label(step)} failed:\n${fenced(output)}`
  const text = step.tool === "read" ? withoutNumbers(output) : output
  const path = String(step.input.path ?? "")
  if (step.use === "explain") return describeFile(path, text)
  if (step.use === "project") return describeProject(text)
  if (typeof step.use === "object") return describePlan(step.use.plan, text)
  switch (step.tool) {
    case "read": return `\`${path}\` (${count(linesOf(text).length, "line")}):\n${fenced(text, /\.(\w+)$/.exec(path)?.[1])}`
    case "ls": return `\`${path}\` holds ${count(linesOf(text).length, "entry", "entries")}:\n${fenced(text)}`
    case "grep": return `For \`${String(step.input.pattern)}\`:\n${fenced(text)}`
    case "glob": return `Files that match \`${String(step.input.pattern)}\`:\n${fenced(text)}`
    case "bash": return `\`${String(step.input.command)}\` gave:\n${fenced(text)}`
    default: return `${label(step)}: ${linesOf(text).length > 1 ? `\n${fenced(text)}` : text}`
  }
}

const linesOf = (text: string): string[] => text.replace(/\n$/, "").split("\n")

/** A fence that nothing inside closes; long outputs keep their beginning. */
function fenced(text: string, language = ""): string {
  const lines = linesOf(text)
  const shown = lines.slice(0, SHOWN_LINES)
  const ticks = "`".repeat(Math.max(3, ...shown.flatMap((line) => [...line.matchAll(/`+/g)].map(([run]) => run.length + 1))))
  const more = lines.length > shown.length ? `\n… ${count(lines.length - shown.length, "more line")}` : ""
  return `${ticks}${language}\n${shown.join("\n")}\n${ticks}${more}`
}

/** The tool `read` puts a number and a tab before each line; notes of its own have none. */
function withoutNumbers(output: string): string {
  const lines = output.split("\n")
  const numbered = lines.flatMap((line) => { const match = /^\s*\d+\t(.*)$/.exec(line); return match ? [match[1]!] : [] })
  return numbered.length * 2 >= lines.length ? numbered.join("\n") : output
}
