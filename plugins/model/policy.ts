/**
 * Which models the config lets be used: patterns over `provider/id`, `*` for anything. A list is read like a list of files
 * to ignore: the last pattern that fits decides, and one with "!" before it takes back what an earlier one said. What is
 * denied is not allowed, and with a list of what is allowed everything else is not.
 */
import { wildcard } from "../lib/wildcard.ts"

export interface Policy { readonly allow?: readonly string[]; readonly deny?: readonly string[] }

/** Why a model may not be used, or undefined. */
export function forbidden(ref: string, { allow, deny }: Policy): string | undefined {
  const denied = deny && decides(ref, deny)
  if (denied !== undefined && !denied.startsWith("!")) return `the config forbids it (models.deny: "${denied}")`
  if (!allow || allow.length === 0) return undefined
  const allowed = decides(ref, allow)
  if (allowed === undefined) return "the config does not allow it (models.allow)"
  return allowed.startsWith("!") ? `the config does not allow it (models.allow: "${allowed}")` : undefined
}

const decides = (ref: string, patterns: readonly string[]): string | undefined => patterns.findLast((pattern) => fits(ref, pattern.replace(/^!/, "")))

/** A bare word is a provider. */
function fits(ref: string, pattern: string): boolean {
  const wanted = /[/*]/.test(pattern) ? pattern : `${pattern}/*`
  return wildcard(wanted.length, ref.length, (at) => wanted[at] === "*", (at, to) => wanted[at]!.toLowerCase() === ref[to]!.toLowerCase())
}
