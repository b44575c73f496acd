/** `graft run`: one prompt for scripts. Text or JSON lines, an exit code that means something, and it never asks. */
import { locationOf, messageOf, type Graft } from "graft"
import type { StoredEvent } from "../../eventlog/contract.ts"
import type { Ended } from "../../session/contract.ts"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { explain, summary } from "../ending.ts"
import { orMoved } from "../moved.ts"
import { setFlags } from "../flags.ts"
import { cautions, comeUp, demoNotice, notices, sayWarning } from "../notices.ts"
import { put, type Errand, type Screen } from "../screen.ts"
import { attachable, mentioned } from "../mentions.ts"
import { titleOf, wantedAgent, wantedSession } from "../session.ts"
import { readPrompt } from "../stdin.ts"
import { Tail } from "../tail.ts"
import { endLine, newView, show, showDelta } from "../view.ts"
import type { Workplace } from "../workplace.ts"

/** Milliseconds that an interrupted session gets to write down where it stands. */
const GRACE = 5_000

const OPTIONS = {
  model: { type: "string", short: "m", value: "provider/id", about: "the model (graft models lists them)" },
  agent: { type: "string", short: "a", value: "name", about: "who works, e.g. plan (graft agents lists them)" },
  continue: { type: "boolean", short: "c", about: "go on with the latest session of this project" },
  session: { type: "string", short: "s", value: "id", about: "go on with this session" },
  file: { type: "string", multiple: true, value: "path|url", about: "attach a text, an image, a PDF or a sound (repeatable); @path in the prompt does the same" },
  format: { type: "string", short: "f", value: "text|jsonl", about: "text (default), or one event a line" },
  quiet: { type: "boolean", short: "q", about: "nothing but the answer" },
  allow: { type: "string", multiple: true, value: "rule", about: "allow an action, e.g. --allow edit --allow 'bash:npm *' (repeatable)" },
  "allow-everything": { type: "boolean", about: "ask about nothing: any command, any file, only where all of it may be lost" },
  deny: { type: "string", multiple: true, value: "rule", about: "deny one (repeatable)" },
  trust: { type: "boolean", about: "run the plugins of this project, this time" },
  offline: { type: "boolean", about: "no connection but to the chosen provider" },
  attach: { type: "boolean", about: "have the instance that serves this home do it (graft serve)" },
} as const satisfies Options

const NOTES = `
The prompt is what stands after the options; "-" reads (the rest of) it from stdin; without either it is read from
stdin when something is piped in. Without a prompt, --continue and --session make another attempt at what is open.

The answer goes to stdout, all else to stderr. With --format jsonl stdout has the session's durable events,
  {"type", "seq", "session", "created", "data"}
and always ends with
  {"type": "result", "state": "done|failed|blocked|interrupted|parked", "exit", "session", "text", "reason", "code", "rule", "usage", "turns", "milliseconds"}

exit codes: 0 done · 1 failed · 2 usage · 3 needs permission (the rule is named; --allow answers it) · 130 interrupted`

type Flags = ReturnType<typeof parse<typeof OPTIONS>>["values"]

export const run = (graft: Graft, screen: Screen): Work => ({
  usage: usageOf('graft run [options] "<prompt>"', OPTIONS, NOTES),
  async run(argv, terminal) {
    const { values, positionals } = parse(argv, OPTIONS)
    const format = choose(values.format ?? "text", ["text", "jsonl"], "format")
    const quiet = values.quiet === true || format === "jsonl"
    const hear = format === "jsonl" ? (event: StoredEvent) => terminal.out(`${JSON.stringify({ type: event.type, seq: event.seq, session: event.aggregate, created: event.created, data: event.data })}\n`) : undefined
    const result = (state: Partial<Ended> & { state: string }, exit: number, more: object) => {
      if (hear) terminal.out(`${JSON.stringify({ type: "result", ...state, exit, ...more })}\n`)
      return exit
    }
    try {
      using there = values.attach ? await (await import("./attached.ts")).attached(graft, values) : undefined
      const errand = (screen.errand ??= there ? await there.begin(values, await promptOf(positionals, values, terminal), terminal, quiet, screen) : await begin(graft, values, positionals, terminal, quiet, screen))
      const ended = await finish(there ?? graft, errand, terminal, screen, hear)
      const milliseconds = Date.now() - errand.started
      if (!quiet) terminal.err(terminal.paint("dim", `${summary(ended, milliseconds)}\n`))
      const exit = terminal.signal.aborted ? EXIT.interrupted : exitOf(ended)
      // Who reads no more (| head) after the work was done needs no explanation.
      if (ended.state !== "done") terminal.err(`${explainEnd(ended)}\n`)
      return result(ended, exit, { text: screen.view!.text, milliseconds })
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (code === "Moved" && graft.retiring.aborted) throw error
      const exit = terminal.signal.aborted ? EXIT.interrupted : error instanceof UsageError ? EXIT.usage : code === "command.denied" ? EXIT.permission : EXIT.failed
      if (exit !== EXIT.usage) result({ state: exit === EXIT.failed ? "failed" : exit === EXIT.permission ? "blocked" : "interrupted", reason: messageOf(error), ...(typeof code === "string" && { code }) }, exit, {})
      throw error
    }
  },
})

/** All up to the moment when the prompt is in the log. Done once, however often this plugin is edited meanwhile. */
async function begin(graft: Graft, flags: Flags, positionals: readonly string[], terminal: Terminal, quiet: boolean, screen: Screen): Promise<Errand> {
  const said = await promptOf(positionals, flags, terminal)
  const started = Date.now()
  const old = await wantedSession(graft, locationOf(terminal.directory), flags)
  const location = old?.location ?? locationOf(terminal.directory)
  await setFlags(graft, flags, location)
  using project = await graft.at(location)
  await comeUp(graft)
  const agent = await wantedAgent(project, flags.agent ?? old?.agent)
  const model = await project.model.resolve(flags.model ?? old?.model ?? agent?.model)
  const demo = demoNotice(model, flags.model)
  // Who asked for a model in a file that cannot be read is not answered by the demo.
  const unreadable = demo.length > 0 ? (await graft.config.warnings(location)).find(({ path }) => path === "") : undefined
  if (unreadable) throw new Error(`${sayWarning(unreadable)}. The demo does not answer in place of the model that may stand there; mend the file, or say --model demo/demo`)
  if (!quiet) for (const notice of [...demo, ...(await notices(graft, location))]) terminal.err(terminal.paint("yellow", `${notice}\n`))
  const warned = quiet ? [] : cautions(project)
  if (old && !quiet) terminal.err(terminal.paint("dim", `going on with ${old.id}: ${titleOf(old)}${old.directory === terminal.directory ? "" : `, in ${old.directory}`}\n`))
  const session = old ?? (await graft.session.create({ directory: terminal.directory, ...(flags.model && { model: flags.model }), ...(flags.agent && { agent: flags.agent }) }))
  const after = old ? ((await graft.eventlog.head(session.id))?.seq ?? 0) : 0
  screen.view = newView(session.id, { live: terminal.together, together: terminal.together, quiet })
  terminal.signal.throwIfAborted()
  // "/name" is a command that is kept in a file, where there is one.
  const prompt = said?.startsWith("/") ? ((await project.command.expand(said, { directory: session.directory, session: session.id, signal: terminal.signal })) ?? said) : said
  // Only what the person named: a command's file, and what its shell lines print, are a stranger's words.
  const files = [...(flags.file ?? []), ...mentioned(said ?? "", terminal.directory)].map((source) => attachable(source, terminal.directory))
  if (prompt === undefined && files.length === 0) await graft.session.run(session.id)
  else await graft.session.prompt({ session: session.id, text: prompt ?? "", ...(files.length > 0 && { files: [...new Set(files)] }) })
  // Nothing waits for them, and none comes too late: the first reply is still on its way.
  for (const caution of await warned) terminal.err(terminal.paint("yellow", `${caution}\n`))
  return { session: session.id, after, started, model: session.model ?? "" }
}

async function promptOf(positionals: readonly string[], flags: Flags, terminal: Terminal): Promise<string | undefined> {
  const words = positionals.filter((word) => word !== "-").join(" ").trim()
  const named = positionals.includes("-")
  const goOn = flags.continue === true || flags.session !== undefined
  const piped = !(terminal.input as { isTTY?: boolean }).isTTY
  if (words && !named) return words
  const read = named || (piped && !goOn) ? await readPrompt(terminal.input, { patient: named, signal: terminal.signal }) : undefined
  const prompt = [words, read].filter(Boolean).join("\n\n")
  if (prompt) return prompt
  if ((goOn || flags.file) && !named) return undefined
  throw new UsageError(piped || named ? "there is no prompt: nothing came on stdin. Write it behind the command" : 'there is no prompt: graft run "what to do"')
}

/** Shows what happens until nothing of this session runs any more. */
async function finish(graft: Workplace, errand: Errand, terminal: Terminal, screen: Screen, hear: ((event: StoredEvent) => void) | undefined): Promise<Ended> {
  const view = screen.view!
  const tail = new Tail(graft, errand.session, errand.after, (event) => {
    errand.after = event.seq
    const pieces = show(view, event.type, event.data)
    if (hear) hear(event)
    else put(screen, pieces)
  })
  const hush = terminal.together ? graft.on("message.part.delta", (delta) => { if (delta.session === errand.session) put(screen, showDelta(view, delta)) }) : () => {}
  const bounded = late(terminal.signal, errand.session)
  const interrupt = () => void graft.session.interrupt(errand.session, "interrupted").catch(() => {})
  if (terminal.signal.aborted) interrupt()
  else terminal.signal.addEventListener("abort", interrupt, { once: true })
  try {
    const ended = await orMoved(graft, Promise.race([graft.session.wait(errand.session), bounded]))
    const head = await graft.eventlog.head(errand.session)
    if (head) await orMoved(graft, Promise.race([tail.reached(head.seq), bounded]))
    if (!hear) put(screen, endLine(view))
    return ended
  } finally {
    tail.stop()
    hush()
    terminal.signal.removeEventListener("abort", interrupt)
  }
}

/** Who was interrupted ends, even if its session does not. */
function late(signal: AbortSignal, session: string): Promise<Ended> {
  return new Promise((resolve) => {
    const end = () => void setTimeout(() => resolve({ session, state: "interrupted", reason: "it did not stop in time", usage: { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0 }, turns: 0 }), GRACE)
    if (signal.aborted) end()
    else signal.addEventListener("abort", end, { once: true })
  })
}

const exitOf = ({ state }: Ended): number => ({ done: EXIT.done, failed: EXIT.failed, parked: EXIT.failed, blocked: EXIT.permission, interrupted: EXIT.interrupted })[state]

function explainEnd(ended: Ended): string {
  if (ended.state !== "blocked") return explain(ended, "graft run --continue goes on", "graft run --continue")
  const { rule, reason } = ended
  return `needs permission: ${rule ?? reason ?? "an action that nobody could allow"}${rule ? `\nallow it with: --allow ${quoted(rule)} (then --continue goes on)` : ""}`
}

const quoted = (rule: string): string => (/^[\w:./-]+$/.test(rule) ? rule : `'${rule.replaceAll("'", "'\\''")}'`)
