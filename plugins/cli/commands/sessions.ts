/** `graft sessions`: what was talked about here. */
import { locationOf, type Graft } from "graft"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { ago, count, oneLine, table } from "../table.ts"

const OPTIONS = {
  all: { type: "boolean", short: "a", about: "of every project" },
  archived: { type: "boolean", about: "those that were put away" },
  limit: { type: "string", short: "n", value: "number", about: "at most so many (20)" },
  json: { type: "boolean", about: "one JSON object a line" },
} as const satisfies Options

export const sessions = (graft: Graft): Work => ({
  usage: usageOf("graft sessions [list] [options]", OPTIONS, "graft resume <id> goes on with one; graft session --help says what else can be done with it."),
  async run(argv, terminal) {
    const { values, positionals: [verb = "list"] } = parse(argv, OPTIONS)
    choose(verb, ["list"], "action")
    const limit = Number(values.limit ?? 20)
    if (!Number.isInteger(limit) || limit < 1) throw new UsageError(`--limit is a number from 1, not "${values.limit}"`)
    const found = await graft.session.list({ limit, children: false, archived: values.archived ?? false, ...(values.all ? {} : { location: locationOf(terminal.directory) }) })
    if (values.json) for (const session of found) terminal.out(`${JSON.stringify(session)}\n`)
    else terminal.out(table(found.map(({ id, title, status, updated, usage, location }) => [id, ago(updated), status, `${count(usage.input + usage.output)} tokens`, ...(values.all ? [location] : []), oneLine(title || "(untitled)", 60)]), terminal.interactive ? terminal.columns : undefined))
    if (found.length === 0) terminal.err("no session yet\n")
    return EXIT.done
  },
})
