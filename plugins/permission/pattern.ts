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

/** How many characters a pattern pins down: the longer pattern is the more precise one. */
export const precision = (pattern: string): number => tokens(pattern).filter((token) => token !== ANY).length
export const isExact = (pattern: string): boolean => !tokens(pattern).includes(ANY)
/** A pattern that means exactly this text. */
export const exactly = (text: string): string => text.replace(/[\\*]/g, "\\$&")
/** The text that a pattern without a star means. */
export const literally = (pattern: string): string => pattern.replace(/\\([\\*])/g, "$1")
