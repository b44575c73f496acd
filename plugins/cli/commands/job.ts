/** `graft job`: what runs in the background of sessions, and what came of it. */
import { locationOf, type Graft } from "graft"
import type { Job } from "../../job/contract.ts"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { byId } from "../session.ts"
import { ago, duration, harmless, oneLine, table } from "../table.ts"

const OPTIONS = {
  all: { type: "boolean", short: "a", about: "list: of every project" },
  live: { type: "boolean", about: "list: only what has not ended" },
  session: { type: "string", short: "s", value: "id", about: "list: of this session" },
  follow: { type: "boolean", short: "f", about: "tail: until it has ended" },
  json: { type: "boolean", about: "list, show: JSON" },
} as const satisfies Options

const NOTES = `verbs:
  list          the jobs of this project, the latest first
  show <id>     where it stands, and what it is
  tail <id>     the end of what it wrote; -f goes on with what comes
  cancel <id>   ends it, with all its processes

The beginning or the end of an id is enough.`
/** Milliseconds between looks at what a job wrote: a file that another process fills tells nobody. */
const LOOK = 250
const PAGE = 65_536

type Values = ReturnType<typeof parse<typeof OPTIONS>>["values"]

export const job = (graft: Graft): Work => ({
  usage: usageOf("graft job <verb> [id] [options]", OPTIONS, NOTES),
  async run(argv, terminal) {
    const { values, positionals: [word = "list", id] } = parse(argv, OPTIONS)
    const verb = choose(word, ["list", "show", "tail", "cancel"], "verb")
    if (verb === "list") return list(graft, values, terminal)
    if (id === undefined) throw new UsageError(`say which job: graft job ${verb} <id> (graft job list shows them)`)
    const found = await jobById(graft, id)
    switch (verb) {
      case "show": return show(found, values, terminal)
      case "tail": return tail(graft, found, values, terminal)
      case "cancel": {
        const cancelled = await graft.job.cancel(found.id, "from the command line")
        terminal.err(cancelled ? `${found.id} is cancelled\n` : `${found.id} had ended before: ${found.outcome}\n`)
        return cancelled ? EXIT.done : EXIT.failed
      }
      default: return verb satisfies never
    }
  },
})

async function jobById(graft: Graft, id: string): Promise<Job> {
  const exact = await graft.job.get(id)
  if (exact) return exact
  const found = (await graft.job.list()).filter((each) => each.id.startsWith(id) || each.id.slice(4).startsWith(id) || each.id.endsWith(id))
  if (found.length === 1) return found[0]!
  throw new UsageError(found.length > 1 ? `"${id}" could be ${found.slice(0, 3).map((each) => each.id).join(", ")}: write more of it` : `there is no job "${id}"; graft job list --all shows those that are`)
}

async function list(graft: Graft, values: Values, terminal: Terminal): Promise<number> {
  const session = values.session === undefined ? undefined : (await byId(graft, values.session)).id
  const jobs = await graft.job.list({ ...(session !== undefined && { session }), ...(values.live && { live: true }) })
  const here = locationOf(terminal.directory)
  const shown = values.all || session !== undefined ? jobs : await only(jobs, async (each) => (await graft.session.get(each.session))?.location === here)
  if (values.json) for (const each of shown) terminal.out(`${JSON.stringify(each)}\n`)
  else terminal.out(table(shown.map((each) => [each.id, ago(each.created), stateOf(each), each.spec.kind, each.session, oneLine(each.title, 60)]), terminal.interactive ? terminal.columns : undefined))
  if (shown.length === 0) terminal.err(`no job${values.all ? "" : " in this project; --all looks everywhere"}\n`)
  return EXIT.done
}

async function only<T>(items: readonly T[], holds: (item: T) => Promise<boolean>): Promise<T[]> {
  const held = await Promise.all(items.map(holds))
  return items.filter((_, i) => held[i])
}

const stateOf = ({ state, outcome, exit }: Job): string => `${outcome ?? state}${exit ? ` (${exit})` : ""}`

function show(found: Job, { json }: Values, terminal: Terminal): number {
  const { id, session, title, spec, delivery, onInterrupt, child, output, created, settled } = found
  if (json) return terminal.out(`${JSON.stringify(found)}\n`), EXIT.done
  const rows = [
    ["job", id], ["title", oneLine(title)], ["state", stateOf(found)], ["session", session], ...(child ? [["subagent", child]] : []),
    [spec.kind === "shell" ? "command" : "prompt", oneLine(spec.kind === "shell" ? spec.command : spec.prompt, 200)], ["directory", spec.directory],
    ["began", ago(created)], ...(settled === undefined ? [] : [["took", duration(settled - created)]]), ...(output ? [["output", `${output.bytes} bytes`]] : []),
    ["its end", delivery === "inform" ? "is only shown" : `is told to the session (${delivery})`], ["an interrupt", onInterrupt === "keep" ? "leaves it running" : "ends it"],
  ]
  terminal.out(table(rows.map(([name, value]) => [terminal.paint("dim", name!), value!])))
  return EXIT.done
}

async function tail(graft: Graft, { id }: Job, { follow }: Values, terminal: Terminal): Promise<number> {
  let after: number | undefined
  for (;;) {
    const { text, next, done } = await graft.job.tail(id, { ...(after !== undefined && { after, limit: PAGE }) })
    terminal.out(terminal.interactive ? harmless(text) : text)
    const more = after !== undefined && next > after
    after = next
    if (!follow || done || terminal.signal.aborted) break
    if (!more) await pause(graft, terminal.signal)
  }
  return terminal.signal.aborted ? EXIT.interrupted : EXIT.done
}

function pause(graft: Graft, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => (signal.removeEventListener("abort", done), cancel(), resolve())
    const cancel = graft.timeout(LOOK, done)
    signal.addEventListener("abort", done, { once: true })
  })
}
