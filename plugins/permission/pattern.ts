/** The pattern language of rules: `*` is any text, `\*` a star, `\\` a backslash; everything else is itself. */

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

/** Linear in practice and never exponential: the last star alone is retried, whatever the pattern. */
export function matchesPattern(pattern: string, text: string): boolean {
  const wanted = tokens(pattern)
  let at = 0
  let token = 0
  let star = -1
  let resume = 0
  while (at < text.length) {
    if (token < wanted.length && wanted[token] === ANY) {
      star = token++
      resume = at
    } else if (token < wanted.length && wanted[token] === text[at]) {
      token++
      at++
    } else if (star >= 0) {
      token = star + 1
      at = ++resume
    } else return false
  }
  while (wanted[token] === ANY) token++
  return token === wanted.length
}

/** How many characters a pattern pins down: the longer pattern is the more precise one. */
export const precision = (pattern: string): number => tokens(pattern).filter((token) => token !== ANY).length
export const isExact = (pattern: string): boolean => !tokens(pattern).includes(ANY)
/** A pattern that means exactly this text. */
export const exactly = (text: string): string => text.replace(/[\\*]/g, "\\$&")
/** The text that a pattern without a star means. */
export const literally = (pattern: string): string => pattern.replace(/\\([\\*])/g, "$1")
