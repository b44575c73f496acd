/** opencode, both versions: opencode.json(c) and config.json of the user and of the project. Pure. */
import { isTree, type Keys } from "../lib/tree.ts"
import { count, text, yesNo, type Kind, type Moving } from "./moving.ts"
import { takeOpencodeProviders } from "./models.ts"
import { addAgentTools, addRules, isEffect, type Said } from "./rules.ts"
import { takeOpencodeServers } from "./servers.ts"

export function convertOpencode(moving: Moving): void {
  model(moving, ["model"], ["model"])
  model(moving, ["small_model"], ["small_model"])
  for (const key of ["provider", "providers"]) takeOpencodeProviders(moving, [key])
  for (const [id, keys] of moving.texts(["disabled_providers"])) provider(moving, ["models", "deny"], id, keys)
  for (const [id, keys] of moving.texts(["enabled_providers"])) provider(moving, ["models", "allow"], id, keys)
  takeOpencodeServers(moving, ["mcp"])
  const servers = [["mcp"], ["mcp", "servers"]].flatMap((keys) => { const value = moving.at(...keys); return isTree(value) ? Object.keys(value) : [] })
  addRules(moving, [...switched(moving, ["tools"]), ...permissions(moving, ["permission"]), ...ruleset(moving, ["permissions"])], servers)
  for (const key of ["agent", "agents"]) for (const [name, keys] of moving.entries([key])) agent(moving, keys, name)
  for (const [name, keys] of moving.entries(["mode"])) agent(moving, keys, name, true)
  for (const key of ["command", "commands"]) for (const [name, keys] of moving.entries([key])) command(moving, keys, name)
  for (const [path, keys] of moving.texts(["instructions"])) moving.push(["instructions"], path, keys)
  compaction(moving)
  formatters(moving)
  languageServers(moving)
  for (const key of ["snapshot", "snapshots"]) {
    const on = moving.take([key], yesNo)
    if (on === false) moving.put(["plugins", "snapshot"], false, [key])
    else if (on === true) moving.imply([key], "it is so by default")
  }
  moving.imply(["$schema"], "it names the schema of another program's file")
  for (const [key, reason] of Object.entries(HOMELESS)) moving.leave([key], reason)
}

const THEME = "the terminal's own colours are used"
const HOMELESS: Readonly<Record<string, string>> = {
  theme: THEME, tui: "the terminal's face has no settings of the kind", keybinds: "keys cannot be chosen yet", layout: THEME, username: "nobody is named in a conversation",
  share: "nothing is shared with a server; `graft session export` makes a file", autoshare: "nothing is shared with a server; `graft session export` makes a file",
  autoupdate: "Graft does not update itself", update: "Graft does not update itself", logLevel: "the log has all levels", server: "`graft serve` is told by its own settings",
  plugin: "plugins are added one by one: graft plugin add <package>", plugins: "plugins are added one by one: graft plugin add <package>",
  watcher: "node_modules and .git are passed over by themselves", enterprise: "there is no such service", worktree: "`graft session` knows no worktrees yet",
  experimental: "experiments of another program", default_agent: "a run names its agent: --agent", shell: "bash runs commands",
  skills: "skills are read from the skills directories", reference: "there are no references to other repositories", references: "there are no references to other repositories",
  attachment: "images are made to fit the model", media: "images are made to fit the model", tool_output: "the tools' output is bounded by themselves", websearch: "each search has its own settings",
  cache: "Graft keeps the cached prefix by itself", warming: "Graft keeps the cached prefix by itself", subagent_depth: "subagents do not start others", policies: "they speak of another program's resources", hooks: "there are no hooks of this kind", codemode: "there is no such mode",
}

/** `provider/id`, with `#variant`; or the same in an object. */
function model(moving: Moving, from: Keys, to: Keys): void {
  const value = moving.at(...from)
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const { providerID, model: id, modelID = id, variant } = value as Record<string, unknown>
    if (typeof providerID !== "string" || typeof modelID !== "string") return moving.leave(from, '"providerID" and "model" are expected')
    return moving.put(to, `${providerID}/${modelID}${typeof variant === "string" ? `:${variant}` : ""}`, from)
  }
  moving.move(from, to, text, (ref) => ref.trim().replace("#", ":"))
}

function provider(moving: Moving, to: Keys, id: string, keys: Keys): void {
  if (/^[^!\s/*]+$/.test(id)) moving.push(to, id, keys)
  else moving.leave(keys, "it is no id of a provider")
}

/** `{ bash: false, "github_*": true }` */
function switched(moving: Moving, from: Keys): Said[] {
  return moving.entries(from).flatMap(([action, keys, on]): Said[] => {
    if (on === false) return [{ action, pattern: "*", effect: "deny", keys }]
    if (on === true) moving.imply(keys, "it is so by default")
    else moving.leave(keys, "true or false is expected")
    return []
  })
}

/** `{ bash: "ask", edit: { "docs/*": "allow" } }`, or one word for everything. */
function permissions(moving: Moving, from: Keys): Said[] {
  const whole = moving.at(...from)
  if (isEffect(whole)) return [{ action: "*", pattern: "*", effect: whole, keys: from }]
  return moving.entries(from).flatMap(([action, keys, value]): Said[] => {
    if (isEffect(value)) return [{ action, pattern: "*", effect: value, keys }]
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return moving.entries(keys).flatMap(([pattern, place, effect]) => {
      if (isEffect(effect)) return [{ action, pattern, effect, keys: place }]
      moving.leave(place, '"allow", "ask" or "deny" is expected')
      return []
    })
    moving.leave(keys, '"allow", "ask" or "deny" is expected')
    return []
  })
}

/** `[{ action, resource, effect }]` */
function ruleset(moving: Moving, from: Keys): Said[] {
  const value = moving.at(...from)
  if (!Array.isArray(value)) return permissions(moving, from)
  return value.flatMap((rule: unknown, i): Said[] => {
    const keys = [...from, String(i)]
    const { action, permission = action, resource, pattern = resource ?? "*", effect } = (typeof rule === "object" && rule !== null ? rule : {}) as Record<string, unknown>
    if (typeof permission === "string" && typeof pattern === "string" && isEffect(effect)) return [{ action: permission, pattern, effect, keys }]
    moving.leave(keys, '"action", "resource" and "effect" are expected')
    return []
  })
}

const MODE: Kind<string> = { name: '"primary", "subagent" or "all"', of: (value) => (value === "primary" || value === "subagent" || value === "all" ? value : undefined) }
const TURNS: Kind<number> = { name: "a whole number from 1 to 1000", of: (value) => { const turns = count.of(value); return turns !== undefined && turns <= 1_000 ? turns : undefined } }

/** `primary`: below `mode`, where all were. */
function agent(moving: Moving, at: Keys, name: string, primary = false): void {
  if (!/^[\w.-]{1,64}$/.test(name)) return moving.leave(at, 'an agent\'s name is letters, digits, ".", "_" and "-", at most 64 of them')
  const to = ["agents", name]
  model(moving, [...at, "model"], [...to, "model"])
  for (const key of ["prompt", "system"]) moving.move([...at, key], [...to, "prompt"], text)
  moving.move([...at, "description"], [...to, "description"], text)
  moving.move([...at, "mode"], [...to, "mode"], MODE)
  if (primary && moving.at(...at, "mode") === undefined && moving.at(...at, "prompt") !== undefined) moving.put([...to, "mode"], "primary", [...at, "prompt"])
  for (const key of ["steps", "maxSteps"]) moving.move([...at, key], [...to, "turns"], TURNS)
  for (const key of ["disable", "disabled"]) moving.move([...at, key], [...to, "enabled"], yesNo, (disabled) => !disabled)
  for (const [tool, keys, on] of moving.entries([...at, "tools"])) {
    if (typeof on === "boolean") moving.push([...to, "tools"], `${on ? "" : "!"}${tool}`, keys)
    else moving.leave(keys, "true or false is expected")
  }
  addAgentTools(moving, [...permissions(moving, [...at, "permission"]), ...ruleset(moving, [...at, "permissions"])], [...to, "tools"])
  for (const key of ["temperature", "top_p", "options", "request", "reasoningEffort", "variant"]) moving.leave([...at, key], "a variant of its model says it, e.g. provider/id:high")
  for (const key of ["color", "hidden", "name"]) moving.imply([...at, key], "nothing hangs on it")
}

function command(moving: Moving, at: Keys, name: string): void {
  const to = ["commands", name]
  moving.move([...at, "template"], [...to, "template"], text)
  moving.move([...at, "description"], [...to, "description"], text)
  for (const key of ["agent", "model", "subtask"]) moving.leave([...at, key], "a command is a prompt; who answers it is the session's")
}

/** false, or by name; its command rewrites $FILE there. */
function formatters(moving: Moving): void {
  if (typeof moving.at("formatter") === "boolean") return moving.move(["formatter"], ["formatter"], yesNo)
  for (const [name, at] of moving.entries(["formatter"])) {
    const to = ["formatter", name]
    for (const key of ["disabled", "disable"]) moving.move([...at, key], [...to, "enabled"], yesNo, (disabled) => !disabled)
    moving.move([...at, "enabled"], [...to, "enabled"], yesNo)
    const command = moving.texts([...at, "command"])
    for (const [word, keys] of command) moving.append([...to, "command"], word, keys)
    if (command[0]) moving.put([...to, "rewrites"], true, command[0][1])
    for (const [extension, keys] of moving.texts([...at, "extensions"])) moving.push([...to, "extensions"], extension.replace(/^\.?/, "."), keys)
    for (const key of ["environment", "env"]) moving.map([...at, key], [...to, "env"])
  }
}

/** false, or by name. */
function languageServers(moving: Moving): void {
  if (typeof moving.at("lsp") === "boolean") return moving.move(["lsp"], ["lsp"], yesNo)
  for (const [name, at] of moving.entries(["lsp"])) {
    const to = ["lsp", name]
    moving.move([...at, "disabled"], [...to, "enabled"], yesNo, (disabled) => !disabled)
    for (const [word, keys] of moving.texts([...at, "command"])) moving.append([...to, "command"], word, keys)
    for (const [extension, keys] of moving.texts([...at, "extensions"])) moving.push([...to, "extensions"], extension.replace(/^\.?/, "."), keys)
    moving.map([...at, "env"], [...to, "env"])
    if (moving.at(...at, "initialization") !== undefined) moving.put([...to, "initialization"], moving.at(...at, "initialization"), [...at, "initialization"])
  }
}

function compaction(moving: Moving): void {
  moving.entries(["compaction"])
  moving.move(["compaction", "auto"], ["compaction", "auto"], yesNo)
  for (const key of ["reserved", "buffer"]) moving.move(["compaction", key], ["compaction", "reserve"], count)
  moving.move(["compaction", "preserve_recent_tokens"], ["compaction", "keep", "tokens"], count)
  moving.move(["compaction", "keep", "tokens"], ["compaction", "keep", "tokens"], count)
  moving.move(["compaction", "tail_turns"], ["compaction", "keep", "turns"], count)
  moving.leave(["compaction", "prune"], "old output is folded with the rest")
}
