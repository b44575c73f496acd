/** Where other programs keep their settings. Looked at on every start, so nothing else is in this file. */
import { homedir } from "node:os"
import { join } from "node:path"

/** The later over the earlier; without a location the user's, else that project's. */
export type Places = (location?: string) => string[]

const { env } = process
const OPENCODE = ["opencode.json", "opencode.jsonc"]

const codex: Places = (location) => [join(location === undefined ? env.CODEX_HOME || join(homedir(), ".codex") : join(location, ".codex"), "config.toml")]

const pi: Places = (location) => {
  const own = env.PI_CODING_AGENT_DIR || join(homedir(), ".pi", "agent")
  return location === undefined ? [join(own, "models.json"), join(own, "settings.json")] : [join(location, ".pi", "settings.json")]
}

/** ~/.claude.json holds servers of the user, and of each project. */
const claude: Places = (location) => {
  const own = env.CLAUDE_CONFIG_DIR || join(homedir(), ".claude")
  const memory = env.CLAUDE_CONFIG_DIR ? join(own, ".claude.json") : join(homedir(), ".claude.json")
  return location === undefined ? [memory, join(own, "settings.json")] : [join(location, ".mcp.json"), join(location, ".claude", "settings.json"), join(location, ".claude", "settings.local.json"), memory]
}

const opencode: Places = (location) => {
  const inside = (directory: string) => OPENCODE.map((name) => join(directory, name))
  if (location !== undefined) return [...inside(location), ...inside(join(location, ".opencode"))]
  const own = join(env.XDG_CONFIG_HOME || join(homedir(), ".config"), "opencode")
  return [join(own, "config.json"), ...inside(own), ...inside(join(homedir(), ".opencode")), ...(env.OPENCODE_CONFIG ? [env.OPENCODE_CONFIG] : [])]
}

export const AGENTS = ["codex", "pi", "claude", "opencode"] as const
export type Agent = (typeof AGENTS)[number]
/** The later over the earlier. */
export const PLACES: Readonly<Record<Agent, Places>> = { codex, pi, claude, opencode }
