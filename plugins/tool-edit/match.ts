/**
 * Where a piece of text stands in a file, though a model may have written line ends, trailing spaces or the
 * indentation a little differently. Three tiers, each tried only where the one before found nothing; nothing fuzzier,
 * because that has broken people's indentation (demand.md e6). Pure.
 */

import { shiftBetween, shifted, type Shift } from "../lib/indent.ts"

/** Half-open range of the file's text, and what comes in its place. */
export interface Replacement { start: number; end: number; text: string }
export type Tier = "exact" | "whitespace" | "indentation"
export type Match = { tier: Tier; places: Replacement[] } | { tier: "none"; places: [] }

/** Places that are looked for where one is wanted: beyond, it is only said that there are more. */
export const MOST_PLACES = 1_000

/** With `all` every place; else also those that overlap, because they make a text ambiguous, up to `MOST_PLACES`. */
export function findPlaces(text: string, wanted: string, replacement: string, all = false): Match {
  const sought: Sought = { wanted, replacement, all }
  const places = exact(text, sought)
  if (places.length > 0) return { tier: "exact", places }
  const file = project(text)
  for (const [tier, find] of [["whitespace", whitespace], ["indentation", indentation]] as const) {
    const found = find(text, file, sought)
    if (found.length > 0) return { tier, places: found }
  }
  return { tier: "none", places: [] }
}

interface Sought { wanted: string; replacement: string; all: boolean }

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

function exact(text: string, { wanted, replacement, all }: Sought): Replacement[] {
  return occurrences(text, wanted, all).map((start) => ({ start, end: start + wanted.length, text: replacement }))
}

function occurrences(text: string, wanted: string, all: boolean, counts: (at: number) => boolean = () => true): number[] {
  const found: number[] = []
  for (let at = text.indexOf(wanted); at >= 0 && wanted !== "" && (all || found.length < MOST_PLACES);) {
    const taken = counts(at)
    if (taken) found.push(at)
    at = text.indexOf(wanted, at + (all && taken ? wanted.length : 1))
  }
  return found
}

interface Projected { text: string; from: number[] }

/** The text without carriage returns and spaces at line ends, and where each of its characters came from. */
function project(text: string): Projected {
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

function whitespace(_: string, file: Projected, { wanted, replacement, all }: Sought): Replacement[] {
  const piece = project(wanted)
  if (piece.text.trim() === "") return []
  const trimmed = !wanted.endsWith("\n") && wanted.trimEnd() !== wanted
  return occurrences(file.text, piece.text, all, (at) => !trimmed || endsLine(file.text, at + piece.text.length))
    .map((at) => ({ start: file.from[at]!, end: file.from[at + piece.text.length - 1]! + 1, text: replacement }))
}

const endsLine = (text: string, at: number): boolean => at === text.length || text[at] === "\n"

/** Whole lines whose indentation differs by the same text in every line; the replacement is shifted the same way. */
function indentation(text: string, file: Projected, { wanted, replacement, all }: Sought): Replacement[] {
  const closed = wanted.endsWith("\n")
  const piece = (closed ? wanted.slice(0, -1) : wanted).split("\n").map((line) => line.trimEnd())
  const first = piece.find((line) => line !== "")
  if (first === undefined) return []
  const found = shiftsOf(first, file.text).flatMap((shift) => {
    const [shiftedPiece, changed] = [piece, replacement.split("\n")].map((lines) => lines.map((line) => shifted(line, shift)))
    if (shiftedPiece!.includes(undefined) || changed!.includes(undefined)) return []
    const lines = shiftedPiece!.join("\n")
    return occurrences(file.text, lines, all, (at) => (at === 0 || file.text[at - 1] === "\n") && endsLine(file.text, at + lines.length)).map((at): Replacement => {
      const last = at + lines.length < file.text.length ? file.from[at + lines.length]! : text.length
      const end = closed ? last + (text[last] === "\n" ? 1 : 0) : last - (text[last - 1] === "\r" ? 1 : 0)
      return { start: at === 0 ? 0 : file.from[at - 1]! + 1, end, text: changed!.join("\n") }
    })
  })
  return found.sort((a, b) => a.start - b.start)
}

/** Different indentations of one line that are tried. */
const MOST_SHIFTS = 50

/** By what the indentation of this line differs, wherever it stands. */
function shiftsOf(line: string, text: string): Shift[] {
  const bare = line.trimStart()
  const shifts = new Map<string, Shift>()
  for (let at = text.indexOf(bare); at >= 0 && shifts.size < MOST_SHIFTS;) {
    const start = text.lastIndexOf("\n", at) + 1
    const end = at + bare.length
    const shift = endsLine(text, end) ? shiftBetween(line, text.slice(start, end)) : undefined
    if (shift) shifts.set(JSON.stringify(shift), shift)
    const next = text.indexOf("\n", end)
    at = next < 0 ? -1 : text.indexOf(bare, next)
  }
  return [...shifts.values()]
}

/** Line numbers of places, for the error when several match. */
export const lineNumbers = (text: string, places: readonly Replacement[]): number[] => places.slice(0, 10).map(({ start }) => text.slice(0, start).split("\n").length)
