/**
 * Globs in time that no pattern can blow up: `*` and `?` within a name, `**` across directories, `[a-z]`, `[!a]`,
 * `{a,b}`, and `\` before a character that means itself. Names that begin with a dot are names like others. Pure.
 */
import { wildcard } from "../lib/wildcard.ts"

/** Alternatives that braces may make. */
const MOST = 1_000

/** `glob.braces`: the braces of the pattern make too many alternatives. */
export class PatternError extends Error {
  readonly code = "glob.braces"
}

/** Does a path, relative and with slashes, match? A pattern that ends with a slash means everything below. */
export function matcher(pattern: string): (path: string) => boolean {
  const alternatives = expand(pattern.replace(/^(?:\.\/+)+/, "")).map((each) => each.replace(/\/$/, "/**").split(/\/+/).map((segment) => segmentOf(segment)))
  return (path) => {
    // Most paths differ in their last name already.
    const name = path.slice(path.lastIndexOf("/") + 1)
    let names: string[] | undefined
    return alternatives.some((segments) => {
      const last = segments.at(-1)!
      return (last === "**" || matchName(last, name)) && matchAll(segments, (names ??= path.split("/")))
    })
  }
}

type Token = "*" | { readonly has: (char: string) => boolean }
/** A text stands for itself. */
type Segment = "**" | readonly Token[] | { readonly literal: string }

/** Each alternative of the braces as a pattern of its own. */
function expand(pattern: string): string[] {
  const open = find(pattern, 0, "{")
  const close = open < 0 ? -1 : matching(pattern, open)
  if (close < 0) return [pattern]
  const inner = pattern.slice(open + 1, close)
  const choices = alternativesOf(inner)
  const tails = expand(pattern.slice(close + 1))
  const heads = choices.length > 1 ? choices.flatMap(expand) : expand(inner).map((text) => `\\{${text}\\}`)
  if (heads.length * tails.length > MOST) throw new PatternError(`the braces of this pattern make more than ${MOST} alternatives`)
  return heads.flatMap((head) => tails.map((tail) => pattern.slice(0, open) + head + tail))
}

/** Where a character stands that is not escaped, and not in brackets. */
function find(pattern: string, from: number, wanted: string): number {
  for (let at = from; at < pattern.length; at++) {
    if (pattern[at] === "\\") at++
    else if (pattern[at] === wanted) return at
    else if (pattern[at] === "[") at = Math.max(at, endOfClass(pattern, at))
  }
  return -1
}

function matching(pattern: string, open: number): number {
  for (let at = open + 1, depth = 1; at < pattern.length; at++) {
    if (pattern[at] === "\\") at++
    else if (pattern[at] === "[") at = Math.max(at, endOfClass(pattern, at))
    else if (pattern[at] === "{") depth++
    else if (pattern[at] === "}" && --depth === 0) return at
  }
  return -1
}

function alternativesOf(inner: string): string[] {
  const out: string[] = []
  let start = 0
  for (let at = 0, depth = 0; at < inner.length; at++) {
    if (inner[at] === "\\") at++
    else if (inner[at] === "[") at = Math.max(at, endOfClass(inner, at))
    else if (inner[at] === "{") depth++
    else if (inner[at] === "}") depth--
    else if (inner[at] === "," && depth === 0) {
      out.push(inner.slice(start, at))
      start = at + 1
    }
  }
  return [...out, inner.slice(start)]
}

/** The bracket that closes a class; -1 where there is none. One right after the opening is a member. */
function endOfClass(pattern: string, open: number): number {
  const first = open + (/[!^]/.test(pattern[open + 1] ?? "") ? 2 : 1)
  return pattern.indexOf("]", first + 1)
}

function segmentOf(text: string): Segment {
  if (text === "**") return "**"
  return /[*?[\\]/.test(text) ? tokens(text) : { literal: text }
}

function tokens(segment: string): Token[] {
  const out: Token[] = []
  for (let at = 0; at < segment.length; at++) {
    const char = segment[at]!
    const close = char === "[" ? endOfClass(segment, at) : -1
    if (char === "*") {
      if (out.at(-1) !== "*") out.push("*")
    } else if (char === "?") out.push({ has: () => true })
    else if (close > 0) {
      out.push(classOf(segment.slice(at + 1, close)))
      at = close
    } else {
      const wanted = char === "\\" && at + 1 < segment.length ? segment[++at]! : char
      out.push({ has: (given) => given === wanted })
    }
  }
  return out
}

function classOf(inner: string): Token {
  const negated = /^[!^]/.test(inner)
  const members = [...inner.slice(negated ? 1 : 0).matchAll(/([^])-([^])|([^])/g)].map(([, low, high, one]) => [low ?? one!, high ?? one!] as const)
  return { has: (char) => members.some(([low, high]) => low <= char && char <= high) !== negated }
}

function matchAll(segments: readonly Segment[], names: readonly string[]): boolean {
  return wildcard(segments.length, names.length, (at) => segments[at] === "**", (at, to) => matchName(segments[at] as Exclude<Segment, "**">, names[to]!))
}

const matchName = (wanted: Exclude<Segment, "**">, name: string): boolean =>
  "literal" in wanted ? wanted.literal === name : wildcard(wanted.length, name.length, (at) => wanted[at] === "*", (at, to) => (wanted[at] as Exclude<Token, "*">).has(name[to]!))
