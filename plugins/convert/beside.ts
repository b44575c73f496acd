/** What else other agents keep in their directories: who reads it where it is, or what is to be done with it. Nothing here is opened. */
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { foreignDirectory, foreignFolders, foreignInstructions, type Noun } from "../lib/foreign-places.ts"
import type { Agent } from "./places.ts"

/** `reader`: the plugin that looks there itself. */
export interface Beside { readonly agent: Agent; readonly path: string; readonly reason: string; readonly reader?: string }

const CODE = "plugins for opencode run where they lie, once you trust them"
const TOOL = "a tool is a plugin here: graft plugin new <name> --template tool"
const THEMES = "the terminal's own colours are used"
const READ: readonly (readonly [Noun, reader: string])[] = [["agents", "agent"], ["commands", "command"], ["skills", "skill"]]

/** Below the home's directory of theirs and below the project's alike. `~`: the home's only. */
const KNOWN: readonly (readonly [Agent, path: string, reason: string, reader?: string])[] = [
  ["claude", "output-styles", "an agent has words of its own"], ["claude", "plugins", "its plugins are not Graft's"],
  ["opencode", "plugin", CODE, "compat-opencode"], ["opencode", "plugins", CODE, "compat-opencode"], ["opencode", "tool", TOOL], ["opencode", "tools", TOOL], ["opencode", "themes", THEMES],
  ["codex", "~rules", "rules stand in `permissions`"], ["pi", "extensions", "its extensions are not Graft's"],
]

function placesOf(location: string | undefined): Beside[] {
  const read = READ.flatMap(([noun, reader]) => foreignFolders(noun, location).flatMap(({ from, path }): Beside[] => (from === "any" ? [] : [{ agent: from, path, reason: noun, reader }])))
  const told = location === undefined ? foreignInstructions().flatMap(({ from, path }): Beside[] => (from === "any" ? [] : [{ agent: from, path, reason: "instructions", reader: "instruction" }])) : []
  const rest = KNOWN.filter(([, path]) => location === undefined || !path.startsWith("~"))
    .map(([agent, path, reason, reader]): Beside => ({ agent, path: join(foreignDirectory(agent, location), path.replace("~", "")), reason, ...(reader !== undefined && { reader }) }))
  return [...read, ...told, ...rest]
}

/** Those of these agents that are there, in the home or, with a location, in that project. */
export async function besides(agents: readonly Agent[], location?: string): Promise<Beside[]> {
  const places = placesOf(location).filter(({ agent }) => agents.includes(agent))
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
