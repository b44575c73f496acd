/** Patterns of tool names, "!" before what may not be used: what is forbidden is; where something is named, only that is allowed. */
import { wildcard } from "./wildcard.ts"

export function mayUse(patterns: readonly string[], tool: string): boolean {
  const no = patterns.filter((pattern) => pattern.startsWith("!"))
  const yes = patterns.filter((pattern) => !pattern.startsWith("!"))
  return !no.some((pattern) => fits(pattern.slice(1), tool)) && (yes.length === 0 || yes.some((pattern) => fits(pattern, tool)))
}

const fits = (pattern: string, name: string): boolean => wildcard(pattern.length, name.length, (at) => pattern[at] === "*", (at, to) => pattern[at] === name[to])
