/** One boundary for what a model reads of a result: beginning and end stay, the whole is kept as a blob to be read on. */

export interface Limits { lines: number; bytes: number }
export const DEFAULT_LIMITS: Limits = { lines: 2_000, bytes: 51_200 }
/** What was left out: `from` is its first line, counted from 1. */
export interface Cut { from: number; lines: number; bytes: number }

export const exceeds = (output: string, limits: Limits): boolean => Buffer.byteLength(output) > limits.bytes || countLines(output) > limits.lines

/** Three quarters from the beginning, the rest from the end, where errors tend to stand; `note` stands between them. */
export function bound(output: string, limits: Limits, note: (cut: Cut) => string): string {
  const head = take(output, Math.ceil(limits.lines * 0.75), Math.floor(limits.bytes * 0.75))
  const rest = output.slice(head.length)
  const tail = takeEnd(rest, Math.floor(limits.lines * 0.25), Math.floor(limits.bytes * 0.25))
  const middle = rest.slice(0, rest.length - tail.length)
  const whole = head === "" || head.endsWith("\n")
  const from = countLines(head) + (whole ? 1 : 0)
  return `${head}${whole ? "" : "\n"}${note({ from, lines: countLines(middle), bytes: Buffer.byteLength(middle) })}\n${tail}`
}

export function countLines(text: string): number {
  let count = text === "" || text.endsWith("\n") ? 0 : 1
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count++
  return count
}

/** Whole lines; part of one only where not even one fits. */
function take(text: string, lines: number, bytes: number): string {
  let end = 0
  let room = bytes
  for (let taken = 0; taken < lines && end < text.length; taken++) {
    const next = text.indexOf("\n", end) + 1 || text.length
    room -= Buffer.byteLength(text.slice(end, next))
    if (room < 0) return end > 0 ? text.slice(0, end) : clip(text, bytes)
    end = next
  }
  return text.slice(0, end)
}

function takeEnd(text: string, lines: number, bytes: number): string {
  let start = text.length
  let room = bytes
  for (let taken = 0; taken < lines && start > 0; taken++) {
    const previous = start < 2 ? 0 : text.lastIndexOf("\n", start - 2) + 1
    room -= Buffer.byteLength(text.slice(previous, start))
    if (room < 0) return start < text.length ? text.slice(start) : clipEnd(text, bytes)
    start = previous
  }
  return text.slice(start)
}

/** At most so many bytes from the beginning; never half a character. */
export function clip(text: string, bytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytes))
  return text.slice(0, read)
}

function clipEnd(text: string, bytes: number): string {
  const buffer = Buffer.from(text.slice(-bytes))
  let start = Math.max(0, buffer.length - bytes)
  while (start < buffer.length && (buffer[start]! & 0xc0) === 0x80) start++
  return buffer.toString("utf8", start)
}
