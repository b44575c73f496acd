/** What a person should know before work begins: one line each, and none when all is well. */
import type { Graft } from "graft"
import type { ConfigWarning } from "../config/contract.ts"
import type { Model } from "../model/contract.ts"
import { oneLine } from "./table.ts"

/** Milliseconds that plugins get to come up; who is slower joins later. */
const PATIENCE = 5_000

/** Gives the plugins of a project their moment, so that the first turn has its tools. */
export async function comeUp(graft: Graft): Promise<void> {
  await graft.kernel.settled(PATIENCE).catch(() => {})
}

const TROUBLE: Readonly<Record<string, string>> = { failed: "failed", refused: "was not run", waiting: "waits", loading: "is not up yet" }

/** Where it went wrong, unless the reason says so itself. */
function placeOf(graft: Graft, plugin: string, reason: string): string {
  const where = graft.kernel.journal(plugin).findLast(({ message }) => message === reason)?.where
  return where === undefined || reason.includes(where) ? "" : `${where}: `
}

/** A service that nobody provides now: who would, and why it does not. */
export function whyAbsent(graft: Graft, service: string): string {
  const plugin = graft.kernel.inspect().realms.flatMap(({ plugins }) => plugins).find(({ id }) => id === service)
  if (!plugin) return `no plugin provides "${service}"`
  if (plugin.status === "disabled") return `"${service}" is missing: the plugin ${plugin.id} is ${plugin.reason} (graft plugin enable ${plugin.id})`
  if (plugin.status !== "live") return `"${service}" is missing: the plugin ${plugin.id} is ${plugin.status}: ${plugin.reason}`
  return `"${service}" is missing: ${plugin.file} took the place of the built-in ${plugin.id}, and does not provide it; rename the file, or start with --safe`
}

export const sayWarning = ({ file, line, path, message, suggestion }: ConfigWarning): string => `config${file ? ` ${file}${line ? `:${line}` : ""}` : ""}: ${path ? `"${path}" ` : ""}${message}${suggestion ? `; did you mean "${suggestion}"?` : ""}`

/** `asked`: a person is asked about what was refused, so it is no news. */
export async function notices(graft: Graft, location: string, asked = false): Promise<string[]> {
  const warnings = await graft.config.warnings(location).catch(() => [])
  const plugins = graft.kernel.inspect().realms.filter((realm) => realm.location === undefined || realm.location === location).flatMap((realm) => realm.plugins)
  return [
    ...warnings.map(sayWarning),
    ...plugins.filter(({ status }) => status in TROUBLE && !(status === "refused" && asked)).map(({ id, status, reason }) => `plugin ${id} ${TROUBLE[status]}: ${status === "loading" ? "what it does at the start has not ended" : `${placeOf(graft, id, reason)}${oneLine(reason, 300)}`}`),
  ]
}

/** Walls that are down, or that somebody took down. */
export async function cautions(project: Graft): Promise<string[]> {
  const said = await Promise.all([...project.all("caution")].map((caution) => caution.text().catch(() => undefined)))
  return said.filter((text) => text !== undefined)
}

/** One line while the demo stands in for a real model that nobody asked it to stand in for. */
export function demoNotice({ provider }: Model, asked: string | undefined): string[] {
  if (provider !== "demo" || asked?.startsWith("demo/")) return []
  return ["this is the built-in demo model: offline, and no real intelligence. For a real one: graft auth login, or set ANTHROPIC_API_KEY or OPENAI_API_KEY"]
}
