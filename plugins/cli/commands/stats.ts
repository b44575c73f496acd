/** `graft stats`: what was used and what it cost, from what the providers counted; tokens of the cache apart. */
import { locationOf, type Graft } from "graft"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { count, dollars, oneLine, table, tokens } from "../table.ts"

const OPTIONS = {
  by: { type: "string", value: "what", about: "one line each model (default), session, project or day" },
  all: { type: "boolean", short: "a", about: "of every project" },
  days: { type: "string", short: "d", value: "number", about: "only of the last so many days" },
  json: { type: "boolean", about: "one JSON object a line" },
} as const satisfies Options

const DAY = 86_400_000
const BY = {
  model: "provider_attempt.model",
  session: "session.id",
  project: "session.location",
  day: "strftime('%Y-%m-%d', event.created / 1000, 'unixepoch', 'localtime')",
} as const

/** `unpriced`: requests whose cost is not known, and so not in `cost`. */
interface Line { key: string; title: string; requests: number; input: number; cacheRead: number; cacheWrite: number; output: number; reasoning: number; cost: number | null; unpriced: number }

/** Of the read model of sessions, and when the log says that an activity was opened; nothing is written. */
const QUERY = (key: string) => `
  SELECT ${key} AS key, max(session.title) AS title, count(*) AS requests,
    sum(max(0, coalesce(usage ->> 'input', 0) - coalesce(usage ->> 'cacheRead', 0) - coalesce(usage ->> 'cacheWrite', 0))) AS input,
    sum(coalesce(usage ->> 'cacheRead', 0)) AS cacheRead, sum(coalesce(usage ->> 'cacheWrite', 0)) AS cacheWrite,
    sum(coalesce(usage ->> 'output', 0)) AS output, sum(coalesce(usage ->> 'reasoning', 0)) AS reasoning,
    sum(usage ->> 'cost') AS cost, sum((usage ->> 'cost') IS NULL) AS unpriced
  FROM provider_attempt
    JOIN activity ON activity.session = provider_attempt.session AND activity.id = provider_attempt.activity
    JOIN session ON session.id = provider_attempt.session
    JOIN aggregate ON aggregate.id = session.id
    JOIN event ON event.aggregate = aggregate.key AND event.seq = activity.opened
  WHERE usage IS NOT NULL AND event.created >= ? AND (? IS NULL OR session.location = ?)
  GROUP BY key ORDER BY ${key === BY.day ? "key DESC" : "coalesce(cost, 0) DESC, input + cacheRead + cacheWrite + output DESC"}`

export const stats = (graft: Graft): Work => ({
  usage: usageOf("graft stats [options]", OPTIONS, "Of this project, unless --all. Costs are those of the requests whose prices are known."),
  async run(argv, terminal) {
    const { values } = parse(argv, OPTIONS)
    const by = choose(values.by ?? "model", ["model", "session", "project", "day"], "--by")
    const days = values.days === undefined ? undefined : Number(values.days)
    if (days !== undefined && !(days > 0)) throw new UsageError(`--days is a number above 0, not "${values.days}"`)
    const location = values.all ? null : locationOf(terminal.directory)
    // The log is made by its first event.
    const begun = await graft.store.get("SELECT 1 FROM session LIMIT 1")
    const lines = begun ? await graft.store.all<Line>(QUERY(BY[by]), [days === undefined ? 0 : Date.now() - days * DAY, location, location]) : []
    if (values.json) for (const { key, title, ...line } of lines) terminal.out(`${JSON.stringify({ [by]: key, ...(by === "session" && { title }), ...line })}\n`)
    else if (lines.length > 0) terminal.out(table([HEAD(by), ...lines.map((line) => rowOf(line, by === "session")), ...(lines.length > 1 ? [rowOf(total(lines), false)] : [])]))
    const unpriced = lines.reduce((sum, line) => sum + line.unpriced, 0)
    if (unpriced > 0 && !values.json) terminal.err(terminal.paint("dim", `${count(unpriced)} requests are not in the cost: the prices of their models are not known\n`))
    if (lines.length === 0) terminal.err(`nothing was used yet${values.all ? "" : " in this project; --all looks at every project"}\n`)
    return EXIT.done
  },
})

const HEAD = (by: string): string[] => [by, "requests", "input", "cached", "to cache", "output", "reasoning", "cost"]

function rowOf({ key, title, requests, input, cacheRead, cacheWrite, output, reasoning, cost }: Line, titled: boolean): string[] {
  return [titled && title ? `${key} ${oneLine(title, 40)}` : key, count(requests), ...[input, cacheRead, cacheWrite, output, reasoning].map(tokens), cost === null ? "" : dollars(cost)]
}

function total(lines: readonly Line[]): Line {
  const sum = (pick: (line: Line) => number | null) => lines.reduce((all, line) => all + (pick(line) ?? 0), 0)
  return { key: "together", title: "", requests: sum((line) => line.requests), input: sum((line) => line.input), cacheRead: sum((line) => line.cacheRead), cacheWrite: sum((line) => line.cacheWrite), output: sum((line) => line.output), reasoning: sum((line) => line.reasoning), cost: lines.some(({ cost }) => cost !== null) ? sum((line) => line.cost) : null, unpriced: 0 }
}
