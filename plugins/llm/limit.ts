/** How many tokens fit, where an endpoint that refused a request as too long says so: in a field, or in words. */

/** In the order in which they are tried; the group is the number. What names a limit a minute is none of a context. */
const WORDS: readonly RegExp[] = [
  /maximum (?:context|prompt) length (?:is|of) (\d+)/i,
  /> (\d+) maximum/i,
  /maximum number of tokens allowed \(?(\d+)/i,
  /exceed context limit: \d+ \+ \d+ > (\d+)/i,
  /exceeds the limit of (\d+)/i,
  /context (?:length|window|size)(?: is| of)?(?: only)?:? \(?(\d+)/i,
  /(?:token limit|n_ctx)[:= ]+\(?(\d+)/i,
]
/** Less is no context that anybody serves, and more than this nobody has. */
const [LEAST, MOST] = [512, 100_000_000]

export function limitIn(said: string, body: string | undefined): { limit?: number } {
  if (/per (minute|hour|day)|\b[RT]P[MD]\b/i.test(said)) return {}
  const field = /"n_ctx" ?: ?(\d+)/.exec(body ?? "")?.[1]
  const word = WORDS.map((each) => each.exec(said.replaceAll(/(?<=\d),(?=\d{3})/g, ""))?.[1]).find((found) => found !== undefined)
  const limit = Number(field ?? word)
  return limit >= LEAST && limit <= MOST ? { limit } : {}
}
