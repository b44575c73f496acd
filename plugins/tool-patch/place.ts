/**
 * Where the hunks of a patch stand in a file, and the file with them made. Three ways to find a hunk, each tried only
 * where the one before found nothing: as it is, regardless of spaces at line ends, deeper or less deep by one
 * indentation. A hunk that could stand in several places is refused, and what stays of the file stays byte for byte.
 * In time that grows with the lengths of file and patch, not with their product. Pure.
 */
import { shiftBetween, shifted, type Shift } from "../lib/indent.ts"
import { nearestText } from "../lib/nearest.ts"
import { PatchError, type Hunk } from "./section.ts"

export type Tier = "exact" | "whitespace" | "indentation"
interface Place { start: number; shift?: Shift }
/** `count` lines from `start` on, counted from 0, become these. */
interface Change { start: number; count: number; lines: string[]; at: number }

/** Places of one hunk that are looked at. */
const MOST_PLACES = 1_000
/** As they are told. */
const TOLD = 10

/** The text with all hunks made; lines end in `\n`, or the last one in nothing. */
export function patched(path: string, text: string, hunks: readonly Hunk[]): { text: string; tier: Tier } {
  const closed = text === "" || text.endsWith("\n")
  const file = text === "" ? [] : (closed ? text.slice(0, -1) : text).split("\n")
  const changes: Change[] = []
  let tier: Tier = "exact"
  let newline = closed
  let after = 0
  let drift = 0
  for (const hunk of hunks) {
    const found = placeOf(path, file, hunk, after, drift)
    if (TIERS.indexOf(found.tier) > TIERS.indexOf(tier)) tier = found.tier
    const old = hunk.lines.filter(({ sign }) => sign !== "+").length
    if (hunk.line !== undefined && old > 0) drift = found.place.start + 1 - hunk.line
    if (hunk.newline !== undefined && found.place.start + old === file.length) newline = hunk.newline
    after = found.place.start + old
    changes.push(...changesOf(hunk, found.place))
  }
  const lines = made(path, file, changes)
  return { text: lines.length === 0 ? "" : lines.join("\n") + (newline ? "\n" : ""), tier }
}

const TIERS: readonly Tier[] = ["exact", "whitespace", "indentation"]

function placeOf(path: string, file: readonly string[], hunk: Hunk, after: number, drift: number): { tier: Tier; place: Place } {
  const wanted = hunk.lines.filter(({ sign }) => sign !== "+").map(({ text }) => text)
  if (wanted.length === 0) return { tier: "exact", place: insertion(path, file, hunk) }
  for (const tier of TIERS) {
    const all = FIND[tier](file, wanted, hunk).filter(({ start }) => !hunk.end || start + wanted.length === file.length)
    if (all.length === 0) continue
    const [place, ...others] = narrowed(file, all, hunk, after, drift)
    if (place && others.length === 0) return { tier, place }
    const lines = all.slice(0, TOLD).map(({ start }) => start + 1).join(", ")
    throw new PatchError("patch.ambiguous", `${path}: the hunk at line ${hunk.at} of the patch fits in ${all.length < MOST_PLACES ? all.length : "very many"} places (lines ${lines}${all.length > TOLD ? ", …" : ""}). Give more of the lines around it`)
  }
  const near = nearestText(file.join("\n"), wanted.join("\n"))
  throw new PatchError("patch.none", `${path}: the lines of the hunk at line ${hunk.at} of the patch are not there${hunk.end ? " at its end" : ""}. ${near ? `The nearest text there is:\n${near}` : "Nothing there is like them"}`)
}

/** Of several places the one that the patch means: below the lines that it names, at the line that it says, or the only one that is left behind the hunk before. */
function narrowed(file: readonly string[], all: readonly Place[], hunk: Hunk, after: number, drift: number): readonly Place[] {
  if (all.length === 1) return all
  if (hunk.above.length > 0) {
    const first = below(file, hunk.above).map((from) => all.find(({ start }) => start >= from)).filter((place) => place !== undefined)
    if (first.length > 0) return [...new Set(first)]
  }
  const said = hunk.line === undefined ? undefined : all.find(({ start }) => start + 1 === hunk.line! + drift) ?? all.find(({ start }) => start + 1 === hunk.line)
  return said ? [said] : all.filter(({ start }) => start >= after)
}

/** Where what stands below these lines begins; for each that stands there several times, each time. */
function below(file: readonly string[], above: readonly string[]): number[] {
  let from = [0]
  for (const [depth, line] of above.entries()) {
    const at = file.flatMap((candidate, index) => (candidate.trim() === line.trim() ? [index + 1] : []))
    from = depth === 0 ? at : [...new Set(from.map((start) => at.find((index) => index > start)).filter((index) => index !== undefined))]
  }
  return from
}

/** Lines that come where nothing goes: below a line that is named, at the end, or into an empty file. */
function insertion(path: string, file: readonly string[], hunk: Hunk): Place {
  if (file.length === 0 || hunk.line === 0) return { start: 0 }
  if (hunk.line !== undefined) throw new PatchError("patch.none", `${path}: the hunk at line ${hunk.at} of the patch has no line of the file in it: give the lines around what is new`)
  if (hunk.above.length === 0) return { start: file.length }
  const places = below(file, hunk.above)
  if (places.length === 1) return { start: places[0]! }
  const lines = places.slice(0, TOLD).join(", ")
  throw places.length === 0
    ? new PatchError("patch.none", `${path}: the line "@@ ${hunk.above.at(-1)}" at line ${hunk.at} of the patch is not there`)
    : new PatchError("patch.ambiguous", `${path}: the line "@@ ${hunk.above.at(-1)}" at line ${hunk.at} of the patch stands there ${places.length} times (lines ${lines}${places.length > TOLD ? ", …" : ""}). Give the lines around what is new`)
}

const FIND: Readonly<Record<Tier, (file: readonly string[], wanted: readonly string[], hunk: Hunk) => Place[]>> = {
  exact: (file, wanted) => occurrences(file, wanted).map((start) => ({ start })),
  whitespace: (file, wanted) => occurrences(file.map(trimEnd), wanted.map(trimEnd)).map((start) => ({ start })),
  indentation: (file, wanted, hunk) => {
    const first = wanted.findIndex((line) => line.trim() !== "")
    if (first < 0) return []
    return occurrences(file.map(trim), wanted.map(trim)).flatMap((start): Place[] => {
      const shift = shiftBetween(trimEnd(wanted[first]!), trimEnd(file[start + first]!))
      const fits = shift && wanted.every((line, index) => shifted(trimEnd(line), shift) === trimEnd(file[start + index]!)) && hunk.lines.every(({ text }) => shifted(text, shift) !== undefined)
      return fits ? [{ start, shift }] : []
    })
  },
}

const trim = (line: string): string => line.trim()
const trimEnd = (line: string): string => line.trimEnd()

/** Where lines stand in others, overlapping places too (Knuth, Morris, Pratt). */
function occurrences(file: readonly string[], wanted: readonly string[]): number[] {
  const fall = [0]
  for (let at = 1, length = 0; at < wanted.length; at++) {
    while (length > 0 && wanted[at] !== wanted[length]) length = fall[length - 1]!
    if (wanted[at] === wanted[length]) length++
    fall.push(length)
  }
  const found: number[] = []
  for (let at = 0, length = 0; at < file.length && found.length < MOST_PLACES; at++) {
    while (length > 0 && file[at] !== wanted[length]) length = fall[length - 1]!
    if (file[at] === wanted[length]) length++
    if (length < wanted.length) continue
    found.push(at - length + 1)
    length = fall[length - 1]!
  }
  return found
}

/** What a hunk changes, without what it only shows: hunks may share the lines around them. */
function changesOf({ lines, at }: Hunk, { start, shift }: Place): Change[] {
  const changes: Change[] = []
  let line = start
  let open: Change | undefined
  for (const { sign, text } of lines) {
    if (sign === " ") open = undefined
    else {
      if (!open) changes.push((open = { start: line, count: 0, lines: [], at }))
      if (sign === "-") open.count++
      else open.lines.push(shift ? shifted(text, shift)! : text)
    }
    if (sign !== "+") line++
  }
  return changes
}

function made(path: string, file: readonly string[], changes: Change[]): string[] {
  const ordered = changes.toSorted((a, b) => a.start - b.start || a.count - b.count)
  const out: string[] = []
  let at = 0
  for (const change of ordered) {
    if (change.start < at) throw new PatchError("patch.overlap", `${path}: the hunk at line ${change.at} of the patch changes lines that another one changes too (line ${change.start + 1})`)
    for (let index = at; index < change.start; index++) out.push(file[index]!)
    for (const line of change.lines) out.push(line)
    at = change.start + change.count
  }
  for (let index = at; index < file.length; index++) out.push(file[index]!)
  return out
}
