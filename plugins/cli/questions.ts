/** What a person is asked in a conversation, in words that hide nothing, and what the answers mean. */
import type { PendingAsk, Reply } from "../permission/contract.ts"
import type { PendingQuestion } from "../question/contract.ts"
import type { TrustAnswer, TrustAsk } from "../trust/contract.ts"

export type Question = { kind: "permission"; id: string; ask: PendingAsk } | { kind: "trust"; id: string; ask: TrustAsk } | { kind: "question"; id: string; ask: PendingQuestion }

/** Files of a plugin that are named before the rest is only counted. */
const MOST_FILES = 12

/** Control characters, and those that turn text around, are written out: what is shown is what would be done. */
export const visible = (text: string): string =>
  text.replace(/[^\P{Cc}\n]|[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu, (character) => (character === "\t" ? "  " : `\\u{${character.codePointAt(0)!.toString(16)}}`))

const indent = (text: string): string => visible(text).split("\n").map((line) => `  ${line}`).join("\n")

export function pose(question: Question): { text: string; prompt: string } {
  if (question.kind === "permission") {
    const { action, resource, detail, rule, verdict } = question.ask
    const why = verdict.reason ? `  (${visible(verdict.reason)})\n` : ""
    const text = `? ${action} needs your permission:\n${indent(resource || action)}\n${detail ? `${indent(detail)}\n` : ""}${why}`
    return { text, prompt: `(o)nce, ${rule ? `(a)lways here or (e)verywhere "${visible(rule)}", ` : ""}(d)eny, with a reason if you like, then Enter: ` }
  }
  if (question.kind === "question") {
    const { text, choices, several } = question.ask
    const listed = (choices ?? []).map(({ label, about }, index) => `  ${index + 1}  ${visible(label)}${about ? `: ${visible(about)}` : ""}\n`).join("")
    const how = choices ? `${several ? "numbers, e.g. 1 3" : "a number"}, or your own words` : "your answer"
    return { text: `? ${visible(text)}\n${listed}`, prompt: `${how} (- to leave it open), then Enter: ` }
  }
  const { plugin, location, files } = question.ask
  const named = files.slice(0, MOST_FILES).map((file) => `  ${visible(file)}\n`).join("")
  const rest = files.length > MOST_FILES ? `  and ${files.length - MOST_FILES} more\n` : ""
  return { text: `? the project ${location} brings the plugin "${visible(plugin)}", whose code you have not agreed to:\n${named}${rest}`, prompt: "(y)es, as it is now; (a)nything in this project while I work here; (n)o, then Enter: " }
}

const REPLIES: Readonly<Record<string, Reply>> = { o: "once", once: "once", y: "once", yes: "once", a: "always", always: "always", e: "everywhere", everywhere: "everywhere", d: "deny", deny: "deny", n: "deny", no: "deny" }
const TRUST: Readonly<Record<string, TrustAnswer>> = { y: "content", yes: "content", a: "directory", anything: "directory", n: "no", no: "no" }

/** Undefined when the line is no answer. "always" needs a rule to save; what stands behind a no is why. */
export function readReply(question: Extract<Question, { kind: "permission" }>, line: string): { reply: Reply; said?: string } | undefined {
  const text = line.trim()
  const [, no, said] = /^(d|deny|n|no)\b[\s,:]+(.+)$/is.exec(text) ?? []
  if (no !== undefined) return { reply: "deny", said: said!.trim() }
  const reply = Object.hasOwn(REPLIES, text.toLowerCase()) ? REPLIES[text.toLowerCase()] : undefined
  return reply === undefined || ((reply === "always" || reply === "everywhere") && !question.ask.rule) ? undefined : { reply }
}

/** What a line answers: numbers are the choices', "-" is no answer, anything else is the answer itself. Undefined where there is nothing, or no such choice. */
export function readAnswer({ choices, several }: PendingQuestion, line: string): string[] | undefined {
  const text = line.trim()
  if (text === "") return undefined
  if (text === "-") return []
  if (!choices || !/^\d+([\s,]+\d+)*$/.test(text)) return [text]
  const chosen = [...new Set(text.split(/[\s,]+/))].map((number) => choices[Number(number) - 1]?.label)
  if (chosen.includes(undefined) || (chosen.length > 1 && !several)) return undefined
  return chosen as string[]
}

export const readTrust = (line: string): TrustAnswer | undefined => TRUST[line.trim().toLowerCase()]
