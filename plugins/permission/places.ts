/** Patterns of files name places as people write them; what is judged is a real path. Where a link makes the two differ, a rule counts for both. */
import { realpathSync } from "node:fs"
import { inside } from "../lib/confine.ts"
import { exactly, isExact, literally } from "./pattern.ts"
import { anchor, type Rule } from "./rules.ts"

/** The rule, and beside it the same rule for where the part of its pattern that has no star really is. A link inside the project widens no permission to what is outside. */
export function resolved(rule: Rule, location: string): Rule[] {
  if (rule.pattern === undefined || rule.action === "bash") return [rule]
  const pattern = anchor(rule.pattern, location)
  const fixed = isExact(pattern) ? pattern : /^(?:[^\\*]|\\[\\*])*\//.exec(pattern)?.[0]
  const place = fixed && literally(fixed)
  // The project's own path is a real one.
  if (!fixed || !place || place === `${location}/`) return [rule]
  const real = realOf(place)
  const leaves = real !== undefined && inside(location, place) && !inside(location, real)
  return real === undefined || (leaves && rule.effect === "allow") ? [rule] : [rule, { ...rule, pattern: exactly(real) + pattern.slice(fixed.length) }]
}

/** A slash at its end stays; undefined where the place is not there, or is what it seems. */
function realOf(path: string): string | undefined {
  try {
    const real = realpathSync(path)
    const shown = path.endsWith("/") && real !== "/" ? `${real}/` : real
    return shown === path ? undefined : shown
  } catch {
    return undefined
  }
}
