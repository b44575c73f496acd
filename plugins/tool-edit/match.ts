/**
 * Where a piece of text stands in a file, though a model may have written line ends, trailing spaces or the
 * indentation a little differently. Three tiers, each tried only where the one before found nothing; nothing fuzzier,
 * because that has broken people's indentation (demand.md e6). Pure.
 */

/** Half-open range of the file's text, and what comes in its place. */
export interface Replacement { start: number; end: number; text: string }
export type Tier = "exact" | "whitespace" | "indentation"
export type Match = { tier: Tier; places: Replacement[] } | { tier: "none"; places: [] }

/** Every place, in order, overlapping ones too: they make a text ambiguous. */
export function findPlaces(text: string, wanted: string, replacement: string): Match {
  for (const [tier, find] of [["exact", exact], ["whitespace", whitespace], ["indentation", indentation]] as const) {
    const places = find(text, wanted, replacement)
    if (places.length > 0) return { tier, places }
  }
  return { tier: "none", places: [] }
}

/** Of places that overlap, the first is taken. */
export function apply(text: string, places: readonly Replacement[]): string {
  let out = ""
  let at = 0
  for (const place of places) {
    if (place.start < at) continue
    out += text.slice(at, place.start) + place.text
    at = place.end
  }
  return out + text.slice(at)
}

function exact(text: string, wanted: string, replacement: string): Replacement[] {
  return occurrences(text, wanted).map((start) => ({ start, end: start + wanted.length, text: replacement }))
}

function occurrences(text: string, wanted: string): number[] {
  const found: number[] = []
  for (let at = text.indexOf(wanted); at >= 0 && wanted !== ""; at = text.indexOf(wanted, at + 1)) found.push(at)
  return found
}

/** The text without carriage returns and spaces at line ends, and where each of its characters came from. */
function project(text: string): { text: string; from: number[] } {
  const from: number[] = []
  const lines: string[] = []
  for (let start = 0; start <= text.length;) {
    const next = text.indexOf("\n", start)
    const end = next < 0 ? text.length : next
    const kept = text.slice(start, end).trimEnd()
    for (let index = 0; index < kept.length; index++) from.push(start + index)
    if (next >= 0) from.push(next)
    lines.push(kept)
    start = end + 1
  }
  return { text: lines.join("\n"), from }
}

function whitespace(text: string, wanted: string, replacement: string): Replacement[] {
  const file = project(text)
  const piece = project(wanted)
  if (piece.text.trim() === "") return []
  const trimmed = !wanted.endsWith("\n") && wanted.trimEnd() !== wanted
  return occurrences(file.text, piece.text)
    .filter((at) => !trimmed || at + piece.text.length === file.text.length || file.text[at + piece.text.length] === "\n")
    .map((at) => ({ start: file.from[at]!, end: file.from[at + piece.text.length - 1]! + 1, text: replacement }))
}

interface Line { start: number; end: number; text: string }

function linesOf(text: string): Line[] {
  const lines: Line[] = []
  for (let start = 0; start <= text.length;) {
    const next = text.indexOf("\n", start)
    const end = next < 0 ? text.length : next
    lines.push({ start, end, text: text.slice(start, end).trimEnd() })
    start = end + 1
  }
  return lines
}

const indentOf = (line: string): string => /^[ \t]*/.exec(line)![0]

/** Whole lines whose indentation differs by the same text in every line; the replacement is shifted the same way. */
function indentation(text: string, wanted: string, replacement: string): Replacement[] {
  const closed = wanted.endsWith("\n")
  const piece = linesOf(closed ? wanted.slice(0, -1) : wanted).map(({ text: line }) => line)
  const first = piece.findIndex((line) => line !== "")
  if (first < 0) return []
  const file = linesOf(text)
  const found: Replacement[] = []
  for (let at = 0; at + piece.length <= file.length; at++) {
    const shift = shiftBetween(piece[first]!, file[at + first]!.text)
    if (!shift || !piece.every((line, index) => file[at + index]!.text === shifted(line, shift))) continue
    const changed = replacement.split("\n").map((line) => shifted(line, shift))
    if (changed.includes(undefined)) continue
    const last = file[at + piece.length - 1]!
    const rest = text.slice(last.end).startsWith("\n") ? 1 : 0
    const end = closed ? last.end + rest : last.end - (text[last.end - 1] === "\r" ? 1 : 0)
    found.push({ start: file[at]!.start, end, text: changed.join("\n") })
  }
  return found
}

type Shift = { add: string } | { remove: string }

function shiftBetween(piece: string, line: string): Shift | undefined {
  const [from, to] = [indentOf(piece), indentOf(line)]
  if (from === to || piece.slice(from.length) !== line.slice(to.length)) return undefined
  if (to.endsWith(from)) return { add: to.slice(0, to.length - from.length) }
  if (from.endsWith(to)) return { remove: from.slice(0, from.length - to.length) }
  return undefined
}

/** `undefined`: the line lacks the indentation that should be taken away. */
function shifted(line: string, shift: Shift): string | undefined {
  if (line.trim() === "") return ""
  if ("add" in shift) return shift.add + line
  return line.startsWith(shift.remove) ? line.slice(shift.remove.length) : undefined
}

/** The text around the lines most like the wanted ones, with line numbers; for the error when nothing matches. */
export function nearestText(text: string, wanted: string): string | undefined {
  const file = linesOf(text).slice(0, 50_000)
  const piece = linesOf(wanted).map((line) => line.text.trim()).filter((line) => line !== "").slice(0, 50)
  if (piece.length === 0 || file.length === 0) return undefined
  const words = new Set(piece.join(" ").match(/\w+/g) ?? [])
  const scores = file.map((line) => {
    const trimmed = line.text.trim()
    if (trimmed === "") return 0
    if (piece.includes(trimmed)) return 3
    const own = trimmed.slice(0, 500).match(/\w+/g) ?? []
    return own.length === 0 ? 0 : own.filter((word) => words.has(word)).length / own.length
  })
  const size = Math.min(piece.length, file.length)
  let sum = scores.slice(0, size).reduce((total, score) => total + score, 0)
  let best = { at: 0, sum }
  for (let at = 1; at + size <= file.length; at++) {
    sum += scores[at + size - 1]! - scores[at - 1]!
    if (sum > best.sum + 1e-9) best = { at, sum }
  }
  if (best.sum < 0.5) return undefined
  const [from, to] = [Math.max(0, best.at - 2), Math.min(file.length, best.at + Math.min(size, 20) + 2)]
  return file.slice(from, to).map((line, index) => `${from + index + 1}\t${line.text.slice(0, 300)}`).join("\n")
}

/** Line numbers of places, for the error when several match. */
export const lineNumbers = (text: string, places: readonly Replacement[]): number[] => places.slice(0, 10).map(({ start }) => text.slice(0, start).split("\n").length)
