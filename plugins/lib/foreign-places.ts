/** Where other agents keep what people wrote for them in Markdown: read where it lies, below one's own, unless the config's `compat` turns it off. */
import { homedir } from "node:os"
import { join } from "node:path"
import type { Graft } from "graft"

/** `.agents` belongs to none of them. */
export type Foreign = "codex" | "pi" | "claude" | "opencode" | "any"
export type Noun = "agents" | "commands" | "skills"
export interface ForeignPlace { from: Foreign; path: string }

/** In the order of the config's sources: the later counts more. */
const FOLDERS: Readonly<Record<Noun, Partial<Record<Foreign, readonly string[]>>>> = {
  agents: { claude: ["agents"], opencode: ["agent", "agents", "mode", "modes"] },
  commands: { codex: ["prompts"], pi: ["prompts"], claude: ["commands"], opencode: ["command", "commands"] },
  skills: { codex: ["skills"], pi: ["skills"], claude: ["skills"], opencode: ["skill", "skills"], any: ["skills"] },
}

const PROJECT: Readonly<Record<Foreign, string>> = { codex: ".codex", pi: ".pi", claude: ".claude", opencode: ".opencode", any: ".agents" }

/** Without a location the user's. */
export function foreignDirectory(from: Foreign, location?: string): string {
  if (location !== undefined) return join(location, PROJECT[from])
  const { env } = process
  switch (from) {
    case "codex": return env.CODEX_HOME || join(homedir(), ".codex")
    case "pi": return env.PI_CODING_AGENT_DIR || join(homedir(), ".pi", "agent")
    case "claude": return env.CLAUDE_CONFIG_DIR || join(homedir(), ".claude")
    case "opencode": return join(env.XDG_CONFIG_HOME || join(homedir(), ".config"), "opencode")
    case "any": return join(homedir(), ".agents")
  }
}

export const foreignFolders = (noun: Noun, location?: string): ForeignPlace[] =>
  (Object.entries(FOLDERS[noun]) as [Foreign, readonly string[]][]).flatMap(([from, names]) => names.map((name) => ({ from, path: join(foreignDirectory(from, location), name) })))

/** What the others tell their model of everything, as AGENTS.md of one's own does. */
export const foreignInstructions = (): ForeignPlace[] =>
  ([["codex", "AGENTS.md"], ["pi", "AGENTS.md"], ["claude", "CLAUDE.md"], ["opencode", "AGENTS.md"]] as const).map(([from, name]) => ({ from, path: join(foreignDirectory(from), name) }))

/** Whether what lies there is left alone. A project's config speaks of that project's files only. */
export async function switchedOff({ config, location }: Pick<Graft, "config" | "location">): Promise<(from: Foreign, scope: string) => boolean> {
  // Without a config nobody has said so.
  const read = (...where: [string, string?]) => config.get(...where).catch(() => undefined)
  const [everywhere, here] = [await read("compat"), await read("compat", location)]
  return (from, scope) => {
    const said = scope === "project" ? here : everywhere
    return said === false || (typeof said === "object" && said !== null && (said as Readonly<Record<string, unknown>>)[from] === false)
  }
}
