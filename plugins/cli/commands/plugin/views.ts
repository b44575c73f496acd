/** `graft plugin list`, `inspect`, `journal` and `logs`. */
import type { JournalEntry, LogEntry, PluginView } from "graft"
import { near } from "../../../lib/near.ts"
import { UsageError } from "../../arguments.ts"
import type { Asked } from "./plugin.ts"
import type { Terminal } from "../../contract.ts"
import { EXIT } from "../../dispatch.ts"
import { isBad, say } from "../../facts.ts"
import { orMoved } from "../../moved.ts"
import { inspection, type Inspection } from "../../remote.ts"
import { ago, duration, oneLine, table } from "../../table.ts"

export async function list({ graft, terminal, values }: Asked): Promise<number> {
  using kernel = await inspection(graft, terminal.directory)
  const plugins = await pluginsOf(kernel)
  if (values.json) for (const plugin of plugins) terminal.out(`${JSON.stringify(plugin)}\n`)
  else {
    terminal.err(terminal.paint("dim", `${whereOf(kernel)}\n`))
    terminal.out(table(plugins.map((plugin) => [statusOf(plugin, terminal), plugin.status === "live" ? `${plugin.id}@${plugin.gen}` : plugin.id, plugin.root ?? "put", plugin.realm === "root" ? "process" : plugin.realm, plugin.status === "live" ? provides(plugin) : oneLine(plugin.reason, 200)]), terminal.interactive ? terminal.columns : undefined))
  }
  return EXIT.done
}

export async function inspect({ graft, terminal, id, values }: Asked): Promise<number> {
  using kernel = await inspection(graft, terminal.directory)
  const found = await known(kernel, id)
  const journal = await kernel.journal(id)
  if (values.json) return terminal.out(`${JSON.stringify({ plugins: found, journal }, null, 2)}\n`), EXIT.done
  terminal.err(terminal.paint("dim", `${whereOf(kernel)}\n`))
  for (const plugin of found) describe(plugin, terminal)
  if (journal.length) terminal.out(`last transactions\n${table(journal.slice(-10).map(transaction))}`)
  const broken = journal.findLast(({ outcome }) => outcome === "failed")
  if (broken?.frame) terminal.out(`${broken.where ?? ""}\n${broken.frame}\n`)
  return EXIT.done
}

function describe(plugin: PluginView, terminal: Terminal): void {
  const { gen, status, reason, realm, root, file, hash, services, slots, events, needs, uses, calls, errors, crashes, dropped, handlerMilliseconds, generations, kept, files, pinned } = plugin
  terminal.out(`${terminal.paint("bold", `${plugin.id}@${gen}`)}  ${status}${pinned ? ", pinned" : ""}${reason ? `: ${reason}` : ""}\n`)
  const rows: [string, string][] = [
    ["file", `${file ?? "none"}${root ? `  (${root})` : ""}`], ["runs", realm === "root" ? "once per process" : `for ${realm}`], ["closure", `${files.length} files, ${hash.slice(0, 12)}`],
    ["provides", services.join(", ")], ["adds", Object.entries(slots).map(([slot, keys]) => `${slot}: ${keys.join(", ")}`).join("; ")], ["hears", events.join(", ")], ["needs", needs.join(", ")], ["uses", uses.filter((service) => !needs.includes(service)).join(", ")], ["keeps", kept.join(", ")],
    ["calls", `${calls}, ${errors} errors, ${crashes} crashes, ${dropped} events dropped, ${duration(handlerMilliseconds)} in handlers`],
    ["alive", generations.map((each) => `@${each.gen} ${each.state} (${each.leases} leases, ${each.timers} timers, ${each.listeners} listeners, ${each.rows} rows)`).join("; ")],
  ]
  terminal.out(table(rows.filter(([, value]) => value !== "").map(([name, value]) => [`  ${name}`, value])))
}

export async function journal({ graft, terminal, id, values }: Asked): Promise<number> {
  using kernel = await inspection(graft, terminal.directory)
  if (id) await known(kernel, id)
  const entries = await kernel.journal(id || undefined)
  if (values.json) for (const entry of entries) terminal.out(`${JSON.stringify(entry)}\n`)
  else {
    terminal.err(terminal.paint("dim", `${whereOf(kernel)}\n`))
    terminal.out(table(entries.map((entry) => [entry.plugin, ...transaction(entry).map((cell) => cell.trim())]), terminal.interactive ? terminal.columns : undefined))
  }
  return EXIT.done
}

const transaction = ({ at, gen, cause, outcome, phase, message, where, times }: JournalEntry): string[] => [
  `  ${ago(at)}`, `@${gen}`, outcome, cause, duration(Object.values(times).reduce((sum, time) => sum + time, 0)), message ? `${phase ? `${phase}: ` : ""}${oneLine(message, 160)}${where && !message.includes(where) ? ` (${where})` : ""}` : "",
]

export async function logs({ graft, terminal, id, values }: Asked): Promise<number> {
  using kernel = await inspection(graft, terminal.directory)
  const wanted = id || undefined
  if (wanted) await known(kernel, wanted)
  const line = (at: number, text: string, bad: boolean) => terminal.out(`${terminal.paint("dim", new Date(at).toISOString().slice(11, 23))} ${bad ? terminal.paint("red", text) : text}\n`)
  const failures = (await kernel.journal(wanted)).filter(({ outcome }) => outcome === "failed" || outcome === "reverted")
  const entries: (LogEntry | JournalEntry)[] = [...(await kernel.logs(wanted)), ...failures].sort((a, b) => a.at - b.at)
  for (const entry of entries) {
    if (values.json) terminal.out(`${JSON.stringify(entry)}\n`)
    else if ("level" in entry) line(entry.at, say("plugin.logged", entry), entry.level === "error")
    else line(entry.at, `${entry.plugin}@${entry.gen} ${entry.outcome}: ${oneLine(entry.message ?? entry.cause, 300)}`, true)
  }
  if (!values.follow) return entries.length > 0 || values.json ? EXIT.done : (terminal.err("nothing was logged\n"), EXIT.done)
  if (!kernel.remote) return terminal.err("no instance is running: there is nothing to follow\n"), EXIT.failed
  const stop = AbortSignal.any([terminal.signal, graft.retiring])
  for await (const told of kernel.remote.events({ events: ["plugin.logged", "plugin.failed", "plugin.reverted", "kernel.fault"] }, stop)) {
    if ("gap" in told) continue
    if (wanted && (told.payload as { plugin?: string }).plugin !== wanted) continue
    if (values.json) terminal.out(`${JSON.stringify(told)}\n`)
    else line(told.at, say(told.event, told.payload), isBad(told.event))
  }
  if (graft.retiring.aborted && !terminal.signal.aborted) await orMoved(graft, Promise.resolve())
  return EXIT.done
}

export const pluginsOf = async (kernel: Inspection): Promise<PluginView[]> => (await kernel.inspect()).realms.flatMap((realm) => realm.plugins)

/** One plugin may live in several projects at once. */
export async function known(kernel: Inspection, id: string): Promise<PluginView[]> {
  const plugins = await pluginsOf(kernel)
  const found = plugins.filter((plugin) => plugin.id === id)
  if (found.length) return found
  const best = near(id, new Set(plugins.map((plugin) => plugin.id)))
  throw new UsageError(`there is no plugin "${id}"${best.length ? `; did you mean ${best.join(", ")}?` : "; graft plugin list shows them"}`)
}

export const whereOf = ({ instance }: Inspection): string => (instance ? `in the running instance ${instance.pid} (${instance.location})` : "no instance is running; this is what one started here would have")

const provides = ({ services, slots }: PluginView): string => oneLine([...services, ...Object.entries(slots).map(([slot, keys]) => `${slot} ${keys.length > 4 ? `×${keys.length}` : keys.join(", ")}`)].join("; "), 100)

function statusOf({ status }: PluginView, terminal: Terminal): string {
  return terminal.paint(status === "live" ? "green" : status === "failed" || status === "refused" ? "red" : "yellow", status)
}
