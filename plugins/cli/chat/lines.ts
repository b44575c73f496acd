/** Whole lines, from a pipe or from a terminal that edits them itself. Kept across reloads, and as dumb as the keyboard. */
import { StringDecoder } from "node:string_decoder"

export interface Lines { lines: string[]; ring: () => void; ended: boolean; close(): void }

/** Milliseconds in which the lines of one paste come; and characters of one line. */
const PASTE = 40
const MOST = 1_000_000

/** `person`: lines that come at once were pasted, and are one. */
export function openLines(input: NodeJS.ReadableStream, person: boolean): Lines {
  const decoder = new StringDecoder("utf8")
  let [rest, timer]: [string, NodeJS.Timeout | undefined] = ["", undefined]
  let gathered: string[] = []
  const flush = () => {
    timer = undefined
    lines.lines.push(...(person ? [gathered.join("\n")] : gathered))
    gathered = []
    lines.ring()
  }
  const hear = (chunk: Buffer | string) => {
    const parts = (rest + (typeof chunk === "string" ? chunk : decoder.write(chunk))).split("\n")
    rest = parts.pop()!.slice(-MOST)
    if (parts.length === 0) return
    gathered.push(...parts.map((part) => part.replace(/\r$/, "")))
    if (!person) return flush()
    clearTimeout(timer)
    timer = setTimeout(flush, PASTE)
  }
  const end = () => {
    if (rest) gathered.push(rest)
    if (gathered.length) flush()
    rest = ""
    lines.ended = true
    lines.ring()
  }
  const lines: Lines = { lines: [], ring: () => {}, ended: false, close: () => void (clearTimeout(timer), input.off("data", hear).off("end", end).off("error", end).pause()) }
  input.on("data", hear).on("end", end).on("error", end)
  return lines
}
