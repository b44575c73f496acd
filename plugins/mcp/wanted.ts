/** Which servers the project is to have: those of the config. What is wrong with one is said, and leaves the others. */
import * as v from "valibot"
import type { Graft } from "graft"
import { Settings } from "./section.ts"

/** `resting`: why it is not started. */
export type Configured = Settings & { resting?: string }
export interface Wanted { servers: Map<string, Configured>; problems: string[] }

/** Servers of one project. */
const MOST = 100
/** What can be shown, and be part of a tool's name. */
const NAME = /^[\w .@/:-]{1,64}$/

export async function wantedServers(graft: Graft<never>): Promise<Wanted> {
  const location = graft.location!
  const problems: string[] = []
  const servers = new Map<string, Settings>()
  for (const [name, block] of Object.entries((await graft.config.get<Record<string, unknown>>("mcp", location)) ?? {})) {
    // What the config's own check refuses has been said there.
    const parsed = v.safeParse(Settings, block)
    if (parsed.success) servers.set(name, parsed.output)
  }
  for (const name of servers.keys()) {
    if (NAME.test(name) && !(name in Object.prototype)) continue
    servers.delete(name)
    problems.push(`the MCP server ${JSON.stringify(name.slice(0, 80))} is left out: its name is letters, digits, spaces and . _ - @ / :, at most 64 of them`)
  }
  if (servers.size > MOST) problems.push(`${servers.size} MCP servers are configured; only ${MOST} are used`)
  const offline = (await graft.config.get("offline", location)) === true
  const used = [...servers].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MOST)
  return { servers: new Map(used.map(([name, settings]) => [name, resting(settings, offline)])), problems }
}

function resting(settings: Settings, offline: boolean): Configured {
  if (settings.enabled === false) return { ...settings, resting: 'the config says "enabled": false' }
  return offline && settings.url !== undefined ? { ...settings, resting: "Graft runs offline" } : settings
}
