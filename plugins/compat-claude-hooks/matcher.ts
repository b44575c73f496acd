/** Which hooks an event is for: a matcher is nothing, `*`, names with `|` between them, or a regular expression. Pure. */

/** Why it can match nothing, or undefined. */
export function wrongMatcher(matcher: string): string | undefined {
  if (isEverything(matcher) || NAMES.test(matcher)) return undefined
  try {
    new RegExp(matcher)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** `subjects`: all names of the same thing. */
export function matches(matcher: string, subjects: readonly string[]): boolean {
  if (isEverything(matcher)) return true
  if (NAMES.test(matcher)) return matcher.split("|").some((name) => subjects.includes(name))
  const pattern = new RegExp(matcher)
  return subjects.some((subject) => pattern.test(subject))
}

const NAMES = /^[\w|]+$/
const isEverything = (matcher: string): boolean => matcher === "" || matcher === "*"
