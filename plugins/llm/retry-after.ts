/** How long a provider asks to wait: in a header (RFC 9110: seconds or a date), or, where a stream has no headers left, in words. */

/** Milliseconds, or undefined when it does not say. `now` in ms since the epoch. */
export function retryAfter(headers: Readonly<Record<string, string>>, said: string, now: number): number | undefined {
  // What is negative, or no number, says nothing.
  const exact = Number(headers["retry-after-ms"]?.trim() || Number.NaN)
  if (exact >= 0) return exact
  const header = headers["retry-after"]?.trim()
  if (header) {
    const seconds = Number(header)
    if (seconds >= 0) return Math.round(seconds * 1_000)
    const date = Number.isNaN(seconds) ? Date.parse(header) : Number.NaN
    if (!Number.isNaN(date)) return Math.max(0, date - now)
  }
  const words = /(?:try again|retry) (?:in|after) (\d+(?:\.\d+)?) ?(ms|milliseconds?|s|seconds?|m|minutes?)\b/i.exec(said)
  if (!words) return undefined
  const unit = words[2]!.toLowerCase()
  return Math.round(Number(words[1]) * (unit.startsWith("ms") || unit.startsWith("milli") ? 1 : unit.startsWith("m") ? 60_000 : 1_000))
}
