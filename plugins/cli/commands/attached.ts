/** `graft run --attach`: the same prompt, worked on by the instance that serves this home, whose settings hold. */
import { locationOf, type Graft } from "graft"
import { UsageError } from "../arguments.ts"
import type { Terminal } from "../contract.ts"
import { attachable, mentioned } from "../mentions.ts"
import type { Errand, Screen } from "../screen.ts"
import { titleOf, wantedSession } from "../session.ts"
import { newView } from "../view.ts"
import { elsewhere, resident, type Elsewhere } from "../workplace.ts"

/** What is a setting of one process cannot be one of another. */
const OWN = ["allow", "allow-everything", "deny", "trust", "offline"] as const

interface Flags { model?: string; agent?: string; continue?: boolean; session?: string; file?: string[]; allow?: string[]; "allow-everything"?: boolean; deny?: string[]; trust?: boolean; offline?: boolean }

interface Attached extends Elsewhere { begin(flags: Flags, said: string | undefined, terminal: Terminal, quiet: boolean, screen: Screen): Promise<Errand> }

export async function attached(graft: Graft, flags: Flags): Promise<Attached> {
  const own = OWN.find((name) => flags[name] !== undefined)
  if (own) throw new UsageError(`--${own} is a setting of the process that works: say it in the config, or leave --attach out`)
  const instance = await resident(graft)
  if (!instance) throw new Error("no instance serves this home: graft serve starts one, in another terminal")
  const there = elsewhere(graft, instance)
  return { ...there, begin: (...given) => begin(there, ...given) }
}

/** All up to the moment when the prompt is in the log. */
async function begin(there: Elsewhere, flags: Flags, said: string | undefined, terminal: Terminal, quiet: boolean, screen: Screen): Promise<Errand> {
  const started = Date.now()
  const old = await wantedSession(there, locationOf(terminal.directory), flags)
  if (!quiet) terminal.err(terminal.paint("dim", `instance ${there.remote.instance.pid} works${old ? ` on ${old.id}: ${titleOf(old)}` : ""}\n`))
  const session = old ?? (await there.session.create({ directory: terminal.directory, ...(flags.model && { model: flags.model }), ...(flags.agent && { agent: flags.agent }) }))
  const after = old ? ((await there.eventlog.head(session.id))?.seq ?? 0) : 0
  screen.view = newView(session.id, { live: terminal.together, together: terminal.together, quiet })
  terminal.signal.throwIfAborted()
  const expand = { service: "command", method: "expand", args: [said, { directory: session.directory, session: session.id }], location: session.location }
  const prompt = said?.startsWith("/") ? ((await there.remote.call<string | undefined>(expand)) ?? said) : said
  // Only what the person named: a command's file, and what its shell lines print, are a stranger's words.
  const files = [...(flags.file ?? []), ...mentioned(said ?? "", terminal.directory)].map((source) => attachable(source, terminal.directory))
  if (prompt === undefined && files.length === 0) await there.session.run(session.id)
  else await there.session.prompt({ session: session.id, text: prompt ?? "", ...(files.length > 0 && { files: [...new Set(files)] }) })
  return { session: session.id, after, started, model: session.model ?? "" }
}
