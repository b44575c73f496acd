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

export const sayWarning = ({ file, line, path, message, suggestion }: ConfigWarning): string => `config${file ? ` ${file}${line ? `:${line}` : ""}` : ""}: ${path ? `"${path}" ` : ""}${message}${suggestion ? `; did you mean "${suggestion}"?` : ""}`

/** `asked`: a person is asked about what was refused, so it is no news. */
export async function notices(graft: Graft, location: string, asked = false): Promise<string[]> {
  const warnings = await graft.config.warnings(location).catch(() => [])
  const plugins = graft.kernel.inspect().realms.filter((realm) => realm.location === undefined || realm.location === location).flatMap((realm) => realm.plugins)
  return [
    ...warnings.map(sayWarning),
    ...plugins.filter(({ status }) => status === "failed" || status === "waiting" || (status === "refused" && !asked)).map(({ id, status, reason }) => `plugin ${id} ${status === "failed" ? "failed" : status === "refused" ? "was not run" : "waits"}: ${oneLine(reason, 300)}`),
  ]
}

/** One line while the demo stands in for a real model that nobody asked it to stand in for. */
export function demoNotice({ provider }: Model, asked: string | undefined): string[] {
  if (provider !== "demo" || asked?.startsWith("demo/")) return []
  return ["this is the built-in demo model: offline, and no real intelligence. For a real one: graft auth login, or set ANTHROPIC_API_KEY or OPENAI_API_KEY"]
}
