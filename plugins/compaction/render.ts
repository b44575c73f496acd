/** A conversation as text for whoever folds it: pure, bounded where it is told to be, and never half a character. */
import { bare } from "../lib/summary.ts"
import type { Message, Part } from "../session/contract.ts"

/** Bytes that one tool's output, and the input of one call, may have. */
export interface Limits { output: number; input: number }

export function render(messages: readonly Message[], limits: Limits): string {
  return messages.flatMap((message) => {
    const text = message.parts.flatMap((part) => renderPart(part, limits)).join("\n")
    return text === "" ? [] : `## ${speaker(message)}\n${text}`
  }).join("\n\n")
}

const SPEAKERS = { user: "User", assistant: "Assistant", synthetic: "Note" } as const
const speaker = ({ role, parts }: Message): string => (parts.some(({ kind }) => kind === "summary") ? "Summary of what was before" : SPEAKERS[role])

function renderPart(part: Part, limits: Limits): string[] {
  switch (part.kind) {
    case "text": return part.text.trim() === "" ? [] : [part.text.trim().toWellFormed()]
    // Thoughts led to what was said and done, which is here.
    case "reasoning": return []
    case "tool": return [`[${part.name} ${clip(part.input, limits.input)}] ${part.outcome ?? part.state}`, ...shown(part, limits.output)]
    case "shell": return [`$ ${clip(part.command, limits.input)}`, ...shown(part, limits.output)]
    case "file": return [`[attached: ${part.name} (${part.media})]`]
    case "summary": return [bare(part.text).toWellFormed()]
    default: return part satisfies never
  }
}

const shown = ({ output = "" }: { output?: string }, bytes: number): string[] => (output.trim() === "" ? [] : [clip(output.trim(), bytes)])

/** Both ends of a text that has more bytes than this; what is missing is said. */
export function clip(text: string, bytes: number): string {
  const all = Buffer.from(text)
  if (all.length <= bytes) return text.toWellFormed()
  const mark = ` [… ${all.length} bytes in all …] `
  const room = bytes - Buffer.byteLength(mark)
  if (room <= 0) return begin(all, bytes)
  const head = Math.ceil(room / 2)
  return `${begin(all, head)}${mark}${end(all, room - head)}`
}

/** At most so many bytes from the beginning, or the end, without the half of a character that may stand at the edge. */
const begin = (all: Buffer, bytes: number): string => new TextDecoder().decode(all.subarray(0, bytes), { stream: true })
function end(all: Buffer, bytes: number): string {
  let from = all.length - bytes
  while (from < all.length && (all[from]! & 0xc0) === 0x80) from++
  return all.subarray(from).toString()
}
