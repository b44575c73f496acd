/** What a model is asked for a title, and the title in what it said. Pure. */
import { firstWords } from "../lib/title.ts"
import type { Message } from "../session/contract.ts"

/** Characters of what was asked, and of the answer: a title says no more. */
const ASKED = 2_000
const ANSWERED = 1_000
/** Marks around a title, and what stands before it. */
const AROUND = /^[\s"'`*#_“”„«»]+|[\s"'`*_“”„«».。]+$/g
const PREFIX = /^(?:title|titel|titre|título)\s*[:：]\s*/i

/** The beginning of a conversation; undefined where nobody has said anything. */
export function beginningOf(messages: readonly Message[]): { asked: string; answered: string; model?: string } | undefined {
  const first = messages.find(({ role }) => role === "user")
  const answer = messages.find(({ role, finish }) => role === "assistant" && finish === "stop")
  const asked = first ? textOf(first) : ""
  return asked.trim() === "" ? undefined : { asked, answered: answer ? textOf(answer) : "", ...(answer?.model !== undefined && { model: answer.model }) }
}

export const toName = (asked: string, answered: string): string =>
  `<asked>\n${asked.slice(0, ASKED).toWellFormed()}\n</asked>${answered.trim() === "" ? "" : `\n\n<answered>\n${answered.slice(0, ANSWERED).toWellFormed()}\n</answered>`}\n\nThe title:`

/** The first line that says something, without marks, as long as a title may be; "" when there is none. */
export function titleIn(text: string): string {
  const lines = text.toWellFormed().split("\n").map((line) => line.replaceAll(/\p{Cc}+/gu, " ").replaceAll(AROUND, "").replace(PREFIX, "").replaceAll(AROUND, ""))
  return firstWords(lines.find((line) => /[\p{L}\p{N}]/u.test(line)) ?? "")
}

const textOf = ({ parts }: Message): string => parts.flatMap((part) => (part.kind === "text" ? part.text : [])).join("\n")
