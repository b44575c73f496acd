/** What else other agents keep in their directories: who reads it where it is, or what is to be done with it. Nothing here is opened. */
import { readdir, stat } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import type { Agent } from "./places.ts"

/** `reader`: the plugin that looks there itself. */
export interface Beside { readonly agent: Agent; readonly path: string; readonly reason: string; readonly reader?: string }

const AGENTS = "copy its files into agents/ beside your config"
const COMMANDS = "copy its files into commands/ beside your config"
const SKILLS = "copy its folders into skills/ beside your config"
const CODE = "plugins of opencode are added one by one: graft plugin add <file>"
const THEMES = "the terminal's own colours are used"
const INSTRUCTIONS = 'name it in the list "instructions" of your config'

/** Below the home and below a project alike, unless it begins with `~`. */
const KNOWN: readonly (readonly [Agent, path: string, reason: string, reader?: string])[] = [
  ["claude", ".claude/agents", "agents", "agent"], ["claude", ".claude/commands", "commands", "command"], ["claude", ".claude/skills", "skills", "skill"],
  ["claude", "~/.claude/CLAUDE.md", INSTRUCTIONS], ["claude", ".claude/output-styles", "an agent has words of its own"], ["claude", ".claude/plugins", "its plugins are not Graft's"],
  ...[".opencode", "~/.config/opencode"].flatMap((at): (readonly [Agent, string, string])[] => [
    ...["agent", "agents", "mode", "modes"].map((name) => ["opencode", `${at}/${name}`, AGENTS] as const), ...["command", "commands"].map((name) => ["opencode", `${at}/${name}`, COMMANDS] as const),
    ...["skill", "skills"].map((name) => ["opencode", `${at}/${name}`, SKILLS] as const), ...["plugin", "plugins"].map((name) => ["opencode", `${at}/${name}`, CODE] as const),
    ...["tool", "tools"].map((name) => ["opencode", `${at}/${name}`, "a tool is a plugin here: graft plugin new <name> --template tool"] as const), ["opencode", `${at}/themes`, THEMES],
  ]),
  ["opencode", "~/.config/opencode/AGENTS.md", INSTRUCTIONS],
  ["codex", "~/.codex/AGENTS.md", INSTRUCTIONS], ["codex", "~/.codex/prompts", COMMANDS], ["codex", ".codex/skills", SKILLS], ["codex", "~/.codex/rules", "rules stand in `permissions`"],
  ["pi", "~/.pi/agent/AGENTS.md", INSTRUCTIONS], ["pi", "~/.pi/agent/prompts", COMMANDS], ["pi", "~/.pi/agent/skills", SKILLS], ["pi", ".pi/prompts", COMMANDS], ["pi", ".pi/skills", SKILLS], ["pi", "~/.pi/agent/extensions", "its extensions are not Graft's"], ["pi", ".pi/extensions", "its extensions are not Graft's"],
]

/** Those of these agents that are there, in the home or, with a location, in that project. */
export async function besides(agents: readonly Agent[], location?: string): Promise<Beside[]> {
  const places = KNOWN.filter(([agent, path]) => agents.includes(agent) && (location === undefined || !path.startsWith("~")))
    .map(([agent, path, reason, reader]): Beside => ({ agent, path: path.startsWith("~/") ? join(homedir(), path.slice(2)) : join(location ?? homedir(), path), reason, ...(reader !== undefined && { reader }) }))
  const there = await Promise.all(places.map(({ path }) => holdsSomething(path)))
  return places.filter((_, i) => there[i])
}

async function holdsSomething(path: string): Promise<boolean> {
  try {
    const status = await stat(path)
    return status.isFile() ? status.size > 0 : (await readdir(path)).some((name) => !name.startsWith("."))
  } catch {
    return false
  }
}
