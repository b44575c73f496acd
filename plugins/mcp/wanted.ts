/**
 * Which servers the project is to have: those of the config, and those of its own `.mcp.json` once the project is trusted.
 * Of one name the config says more. What is wrong with one is said, and leaves the others.
 */
import { join } from "node:path"
import * as v from "valibot"
import { messageOf, type Graft } from "graft"
import { readTextFile } from "../lib/textfile.ts"
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
  const servers = await fromFile(graft, join(location, ".mcp.json"), problems)
  for (const [name, block] of Object.entries((await graft.config.get<Record<string, unknown>>("mcp", location)) ?? {})) {
    // What the config's own check refuses has been said there.
    const parsed = v.safeParse(Settings, block)
    if (parsed.success) servers.set(name, over(servers.get(name), parsed.output))
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

/** A command takes the place of a URL, and the other way round. */
function over(file: Settings | undefined, config: Settings): Settings {
  if (!file || config.command !== undefined || config.url !== undefined) return config
  return { ...file, ...config }
}

async function fromFile(graft: Graft<never>, file: string, problems: string[]): Promise<Map<string, Settings>> {
  const servers = new Map<string, Settings>()
  try {
    const source = await readTextFile(file)
    if (!source) return servers
    if (!(await graft.trust.allowed(graft.location!))) {
      problems.push(`${file} is not honoured until this project is trusted (graft trust allow)`)
      return servers
    }
    const { mcpServers } = v.parse(v.object({ mcpServers: v.record(v.string(), v.unknown()) }, 'an object with "mcpServers"'), JSON.parse(source.text))
    for (const [name, block] of Object.entries(mcpServers)) {
      const parsed = v.safeParse(Foreign, block)
      if (parsed.success) servers.set(name, parsed.output)
      else problems.push(`${file}: the server "${name}" is left out: ${v.getDotPath(parsed.issues[0]) ?? "it"}: ${parsed.issues[0].message}`)
    }
  } catch (error) {
    const [, line] = /\(line (\d+)/.exec(messageOf(error)) ?? []
    problems.push(`${file}${line ? `:${line}` : ""}: ${messageOf(error)}`)
  }
  return servers
}

const Texts = v.record(v.string(), v.string())
/** As other agents write it: `${NAME}` for a variable, milliseconds, and keys of their own. */
const Foreign = v.pipe(
  v.object({
    command: v.optional(v.string()), args: v.optional(v.array(v.string())), env: v.optional(Texts), cwd: v.optional(v.string()),
    url: v.optional(v.string()), headers: v.optional(Texts), disabled: v.optional(v.boolean()), timeout: v.optional(v.number()),
  }),
  v.transform(({ disabled, timeout, ...rest }) => ({
    ...referring(rest),
    ...(disabled !== undefined && { enabled: !disabled }),
    ...(timeout !== undefined && { timeout: Math.min(3_600, Math.max(1, Math.ceil(timeout / 1_000))) }),
  })),
  Settings,
)

function referring<T>(value: T): T {
  if (typeof value === "string") return value.replace(/\$\{([A-Za-z_]\w*)(:-[^{}]*)?\}/g, "{env:$1$2}") as T
  if (Array.isArray(value)) return value.map(referring) as T
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, referring(each as unknown)])) as T
  return value
}
