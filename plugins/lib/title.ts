/** A session's title until somebody finds a better one: the first line of what was asked. */

const MOST = 60

export function firstWords(text: string): string {
  const line = text.trim().split("\n", 1)[0]!.trim()
  return line.length > MOST ? `${line.slice(0, MOST - 1).toWellFormed()}…` : line
}
