/**
 * A summary without a model: pure, always to be had, and never longer than asked. What the user said comes first, since
 * nothing else says what the work is for; then what was done to which files, what failed, and the last answer.
 */
import { bare } from "../lib/summary.ts"
import type { Message, Part } from "../session/contract.ts"
import { clip, render } from "./render.ts"

/** Outputs are what is long and can be had again. */
export const PRUNED = { output: 400, input: 400 } as const
/** Bytes of the whole, and of one item of a list. */
const MOST = 32_000
const ITEM = 2_000

type Call = Extract<Part, { kind: "tool" }>
interface Section { title: string; /** Of the whole; what one does not need the next may use. */ share: number; items: string[] }

/** At most so many bytes: everything but long outputs where that fits, else the most important of it. */
export function foldByRules(messages: readonly Message[], bytes: number): string {
  const pruned = render(messages, PRUNED)
  return Buffer.byteLength(pruned) <= bytes ? pruned : digest(messages, Math.min(bytes, MOST)) || clip(pruned, bytes)
}

function digest(messages: readonly Message[], bytes: number): string {
  const calls = messages.flatMap(({ parts }) => parts.filter((part): part is Call => part.kind === "tool"))
  const said = (role: Message["role"]) => messages.filter((message) => message.role === role).map(textOf).filter(Boolean)
  const sections: Section[] = [
    { title: "What the user said", share: 0.45, items: said("user") },
    { title: "What was before", share: 0.5, items: messages.flatMap(({ parts }) => parts.flatMap((part) => (part.kind === "summary" ? bare(part.text) : []))) },
    { title: "The last answer", share: 0.4, items: said("assistant").slice(-1) },
    { title: "What was done", share: 0.7, items: done(messages) },
    { title: "What was reported last", share: 0.5, items: said("synthetic").slice(-5) },
    { title: "What failed last", share: 1, items: calls.filter(({ outcome }) => outcome !== undefined && outcome !== "ok").slice(-5).map(({ name, input, outcome, output = "" }) => `${name} ${clip(input, 200)}: ${outcome}: ${clip(output.trim(), 400)}`) },
  ]
  let left = bytes
  const written = sections.flatMap(({ title, share, items }) => {
    const text = list(title, items, Math.floor(left * share))
    left -= Buffer.byteLength(text)
    return text === "" ? [] : text
  })
  return written.join("").trim()
}

/** The latest items that fit, oldest first; the first of all, which began it, before the others. */
function list(title: string, items: readonly string[], bytes: number): string {
  const head = `## ${title}\n`
  const lines = items.map((item) => `- ${clip(item, ITEM)}\n`)
  const first = lines.shift()
  if (first === undefined) return ""
  let left = bytes - Buffer.byteLength(`${head}\n${first}`)
  const kept = lines.splice(lines.findLastIndex((line) => (left -= Buffer.byteLength(line)) < 0) + 1)
  return clipTo(`${head}${first}${kept.join("")}\n`, bytes)
}

/** What does not fit at all is left out rather than cut to a heading. */
const clipTo = (text: string, bytes: number): string => (Buffer.byteLength(text) <= bytes ? text : bytes < 80 ? "" : `${clip(text.trimEnd(), bytes - 2)}\n\n`)

/** Each thing that was done once, in the order of its last time. */
function done(messages: readonly Message[]): string[] {
  const lines = messages.flatMap(({ parts }) => parts.flatMap((part) => {
    if (part.kind === "shell") return `$ ${clip(part.command, 160)} (by the user)`
    return part.kind === "tool" && part.outcome === "ok" ? `${part.name} ${clip(part.input, 160)}` : []
  }))
  return [...new Set(lines.reverse())].reverse()
}

const textOf = ({ parts }: Message): string => parts.flatMap((part) => (part.kind === "text" ? part.text : [])).join("\n").trim()
