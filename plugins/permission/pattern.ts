/** The pattern language of rules: `*` is any text, `\*` a star, `\\` a backslash; everything else is itself. */
import { wildcard } from "../lib/wildcard.ts"

const ANY = Symbol("*")
type Token = string | typeof ANY

function tokens(pattern: string): Token[] {
  const out: Token[] = []
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!
    const next = pattern[at + 1]
    if (char === "\\" && (next === "*" || next === "\\")) {
      out.push(next)
      at++
    } else if (char !== "*") out.push(char)
    else if (out.at(-1) !== ANY) out.push(ANY)
  }
  return out
}

export function matchesPattern(pattern: string, text: string): boolean {
  const wanted = tokens(pattern)
  return wildcard(wanted.length, text.length, (at) => wanted[at] === ANY, (at, to) => wanted[at] === text[to])
}

/** Is there a text that both describe? */
export function meets(one: string, other: string): boolean {
  const [a, b] = [tokens(one), tokens(other)]
  // reached[j]: the first i tokens of a and the first j of b can describe one text.
  let reached = b.map((_, j) => b.slice(0, j + 1).every((token) => token === ANY))
  reached.unshift(true)
  for (const token of a) {
    const next = [token === ANY && reached[0]!]
    for (const [j, other] of b.entries()) {
      next.push(token === ANY || other === ANY ? (token === ANY && reached[j + 1]!) || (token === ANY && next[j]!) || (other === ANY && (next[j]! || reached[j + 1]!)) : reached[j]! && token === other)
    }
    reached = next
  }
  return reached[b.length]!
}

/** How many characters a pattern pins down: the longer pattern is the more precise one. */
export const precision = (pattern: string): number => tokens(pattern).filter((token) => token !== ANY).length
export const isExact = (pattern: string): boolean => !tokens(pattern).includes(ANY)
/** A pattern that means exactly this text. */
export const exactly = (text: string): string => text.replace(/[\\*]/g, "\\$&")
/** The text that a pattern without a star means. */
export const literally = (pattern: string): string => pattern.replace(/\\([\\*])/g, "$1")
