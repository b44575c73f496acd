/** Claude Code: settings of the user and of the project, .mcp.json, and what it keeps in ~/.claude.json. Pure. */
import type { Keys } from "../lib/tree.ts"
import { text, type Moving } from "./moving.ts"
import { EVERYTHING, type Effect } from "./rules.ts"
import { takeClaudeServers } from "./servers.ts"

/** `location`: what it keeps of this project alone. */
export function convertClaude(moving: Moving, file: string, location?: string): void {
  if (file.endsWith(".claude.json")) return location === undefined ? convertState(moving) : convertProject(moving, location)
  takeClaudeServers(moving, ["mcpServers"])
  convertSettings(moving, [])
  if (file.endsWith(".mcp.json")) for (const [key] of Object.entries(moving.tree)) if (key !== "mcpServers") moving.leave([key], "Graft reads only the servers of this file")
}

const MEMORY = "it is Claude Code's own memory"

function convertState(moving: Moving): void {
  takeClaudeServers(moving, ["mcpServers"])
  moving.imply(["projects"], "it is read for each project")
  for (const key of Object.keys(moving.tree)) if (key !== "mcpServers") moving.imply([key], MEMORY)
}

function convertProject(moving: Moving, location: string): void {
  const at = ["projects", location]
  takeClaudeServers(moving, [...at, "mcpServers"])
  for (const [rule, keys] of moving.texts([...at, "allowedTools"])) addRule(moving, "allow", rule, keys)
  switchServers(moving, at)
  for (const key of Object.keys(moving.tree)) moving.imply([key], key === "projects" ? MEMORY : "it is not this project's")
}

function convertSettings(moving: Moving, at: Keys): void {
  moving.entries([...at, "permissions"])
  const effects: readonly Effect[] = ["allow", "ask", "deny"]
  for (const effect of effects) for (const [rule, keys] of moving.texts([...at, "permissions", effect])) addRule(moving, effect, rule, keys)
  for (const key of ["allowedTools", "autoApprove"]) for (const [rule, keys] of moving.texts([...at, key])) addRule(moving, "allow", rule, keys)
  for (const [directory, keys] of moving.texts([...at, "permissions", "additionalDirectories"])) {
    for (const action of ["read", "ls", "glob", "grep"]) moving.push(["permissions", "allow"], `${action}:${slashed(escaped(directory))}`, keys)
  }
  mode(moving, [...at, "permissions", "defaultMode"])
  for (const key of ["disableBypassPermissionsMode", "disableAutoMode"]) moving.leave([...at, "permissions", key], "there is no such mode")
  model(moving, [...at, "model"], ["model"])
  environment(moving, [...at, "env"])
  switchServers(moving, at)
  moving.imply([...at, "$schema"], "it names the schema of another program's file")
  moving.leave([...at, "hooks"], "hooks run where they stand", "compat-claude-hooks")
  moving.leave([...at, "disableAllHooks"], "it counts where it stands", "compat-claude-hooks")
  for (const [key, reason] of Object.entries(HOMELESS)) moving.leave([...at, key], reason)
}

const FACE = "the terminal's face has no settings of the kind"
const PLUGINS = "its plugins are not Graft's; what they hold of agents, commands, skills and hooks can be copied"
const LOGIN = "graft auth knows who is logged in"
const HOMELESS: Readonly<Record<string, string>> = {
  apiKeyHelper: "a command that prints the key is a credential of its own: graft auth login", awsAuthRefresh: LOGIN, awsCredentialExport: LOGIN, gcpAuthRefresh: LOGIN, forceLoginMethod: LOGIN, forceLoginOrgUUID: LOGIN,
  cleanupPeriodDays: "`retention.days` says how long sessions are kept", includeCoAuthoredBy: "nothing is added to commits", attribution: "nothing is added to commits", includeGitInstructions: "nothing is added to commits",
  statusLine: FACE, subagentStatusLine: FACE, outputStyle: "an agent has words of its own", theme: FACE, verbose: FACE, spinnerTipsEnabled: FACE, spinnerVerbs: FACE, prefersReducedMotion: FACE, terminalProgressBarEnabled: FACE, editorMode: FACE, preferredNotifChannel: FACE, language: "a line in AGENTS.md says it",
  enabledPlugins: PLUGINS, extraKnownMarketplaces: PLUGINS, strictKnownMarketplaces: PLUGINS, pluginConfigs: PLUGINS, skippedPlugins: PLUGINS, skippedMarketplaces: PLUGINS,
  enabledMcpjsonServers: "the servers of .mcp.json count once the project is trusted", enableAllProjectMcpServers: "the servers of .mcp.json count once the project is trusted", allowedMcpServers: "the servers that are configured are used", deniedMcpServers: "`mcp.<name>.enabled: false` switches one off",
  allowManagedHooksOnly: "hooks are no settings here", sandbox: "walls are described in another way", companyAnnouncements: FACE, autoUpdatesChannel: "Graft does not update itself", autoUpdates: "Graft does not update itself", minimumVersion: "Graft does not update itself",
  alwaysThinkingEnabled: "a variant of the model says how much it thinks, e.g. anthropic/<id>:high", effortLevel: "a variant of the model says how much it thinks, e.g. anthropic/<id>:high", fastMode: "there is no such mode", availableModels: "`models.allow` and `models.deny` say which models may be used", modelOverrides: "`models.agents` says which model an agent has", advisorModel: "there is no such model",
  plansDirectory: "plans are kept nowhere", autoMemoryDirectory: MEMORY, autoMemoryEnabled: MEMORY, fileSuggestion: FACE, respectGitignore: "searches pass over what git ignores", skipDangerousModePermissionPrompt: "there is no such mode", skipWebFetchPreflight: "nobody is asked about a page but you", otelHeadersHelper: "nothing is told to anybody", feedbackSurveyRate: "nothing is told to anybody", worktree: "there are no worktrees of sessions yet", agent: "a run names its agent: --agent", teammateMode: "there are no teammates", showThinkingSummaries: FACE,
}

function switchServers(moving: Moving, at: Keys): void {
  for (const key of ["disabledMcpjsonServers", "disabledMcpServers"]) for (const [name, keys] of moving.texts([...at, key])) moving.put(["mcp", name, "enabled"], false, keys)
}

function mode(moving: Moving, from: Keys): void {
  const said = moving.take(from, text)
  if (said === undefined) return
  if (said === "acceptEdits") for (const action of ["edit", "write"]) moving.push(["permissions", "allow"], action, from)
  else if (said === "default") moving.imply(from, "it is so by default")
  else moving.leave(from, said === "bypassPermissions" || said === "auto" ? EVERYTHING : "there is no such mode; an agent has tools of its own")
}

/** Short names are whatever is newest there; a full id is a model's. */
function model(moving: Moving, from: Keys, to: Keys): void {
  const said = moving.take(from, text)
  if (said === undefined) return
  const [id = "", ...extras] = said.trim().split("[")
  if (/^(?:[a-z]+\.)?anthropic\.|^arn:/.test(id)) return moving.put(to, `amazon-bedrock/${id}`, from)
  if (!/^claude-.*\d/.test(id)) return moving.leave(from, `"${said}" is whatever is newest there; graft models lists what there is`)
  moving.put(to, `${id.includes("@") ? "google-vertex" : "anthropic"}/${id}`, from, extras.length > 0 ? { note: `how long its context is, is known of the model: "[${extras.join("[")}" goes` } : {})
}

/** Variables that speak of the model and its provider; others are for what it starts. */
function environment(moving: Moving, from: Keys): void {
  for (const [name, keys] of moving.entries(from)) {
    if (name === "ANTHROPIC_BASE_URL") moving.move(keys, ["providers", "anthropic", "url"], text)
    else if (name === "ANTHROPIC_API_KEY" || name === "ANTHROPIC_AUTH_TOKEN") moving.move(keys, ["providers", "anthropic", "key"], text, (key) => key, { secret: true, note: "a key belongs in `graft auth login`; it holds where it is, and is not copied" })
    else if (name === "ANTHROPIC_MODEL") model(moving, keys, ["model"])
    else if (name === "ANTHROPIC_SMALL_FAST_MODEL" || name === "ANTHROPIC_DEFAULT_HAIKU_MODEL") model(moving, keys, ["small_model"])
    else moving.leave(keys, "Graft sets no variables; export it where Graft is started")
  }
}

// ── rules: `Tool`, or `Tool(what it is done to)` ─────────────────────────────────────────────────────────────────────

/** Tools that read files, and those that change them. */
const READS: readonly string[] = ["read", "grep"]
const EDITS: readonly string[] = ["edit", "write"]
const TOOLS: Readonly<Record<string, readonly string[]>> = {
  Read: READS, NotebookRead: READS, Edit: EDITS, Write: EDITS, MultiEdit: EDITS, NotebookEdit: EDITS, Update: EDITS,
  Grep: ["grep"], Glob: ["glob"], LS: ["ls"], Bash: ["bash"], PowerShell: ["bash"], WebFetch: ["webfetch"], WebSearch: ["websearch"], Task: ["task"], Agent: ["task"], TodoWrite: ["todo"], TodoRead: ["todo"], Skill: ["skill"], AskUserQuestion: ["question"],
}
const FILES: ReadonlySet<string> = new Set([...READS, ...EDITS, "glob", "ls"])

export function addRule(moving: Moving, effect: Effect, written: string, keys: Keys): void {
  const [, name = "", inside] = /^\s*([^()]+?)\s*(?:\(([\s\S]*)\))?\s*$/.exec(written) ?? []
  const push = (...rules: string[]) => rules.forEach((rule) => moving.push(["permissions", effect], rule, keys))
  if (name.startsWith("mcp__")) return serverRule(moving, effect, name, inside, keys)
  if (name === "*") return effect === "allow" ? moving.leave(keys, EVERYTHING) : push("*")
  const tools = Object.hasOwn(TOOLS, name) ? TOOLS[name]! : undefined
  if (!tools) return moving.leave(keys, name === "" ? "a rule is Tool or Tool(what it is done to)" : `there is no tool "${name}" here`)
  const what = inside?.trim()
  if (what === undefined || what === "" || what === "*" || what === "**") return push(...tools)
  const [tool] = tools as [string]
  if (tool === "bash") return commandRule(moving, effect, what, keys)
  if (FILES.has(tool)) {
    const paths = pathsOf(what, effect)
    return paths.length > 0 ? push(...tools.flatMap((each) => paths.map((path) => `${each}:${path}`))) : moving.leave(keys, `"?", "[" and "{" in a path that is allowed have no counterpart here`)
  }
  const [, domain] = /^domain:(.+)$/.exec(what) ?? []
  if (tool === "webfetch" && domain !== undefined) return push(`webfetch:https://${domain}/*`, `webfetch:http://${domain}/*`)
  moving.leave(keys, `"${tool}" is asked about as a whole`)
}

/** `git:*` is whatever begins with that word. */
function commandRule(moving: Moving, effect: Effect, what: string, keys: Keys): void {
  const prefix = what.endsWith(":*") ? what.slice(0, -2).trim() : undefined
  if (prefix === "" || prefix === "*") return moving.push(["permissions", effect], "bash", keys)
  moving.push(["permissions", effect], `bash:${(prefix === undefined ? what : `${prefix} *`).replaceAll("\\", "\\\\").replace(/\*+/g, "*")}`, keys)
}

function serverRule(moving: Moving, effect: Effect, name: string, inside: string | undefined, keys: Keys): void {
  const [, server, tool = "*"] = /^mcp__(.+?)(?:__(.+))?$/.exec(name) ?? []
  if (server === undefined || inside !== undefined) return moving.leave(keys, "a rule of a server is mcp__server or mcp__server__tool")
  moving.push(["permissions", effect], `mcp:${server}/${tool}`, keys)
}

const escaped = (path: string): string => path.replaceAll("\\", "\\\\")
const slashed = (path: string): string => (path.endsWith("/") ? path : `${path}/`)

/** As in a file of what git ignores: a name alone is meant wherever it lies, `//` is the root of the disk, `/` where the settings lie. */
function pathsOf(written: string, effect: Effect): string[] {
  if (/[?[\]{}]/.test(written) && effect === "allow") return []
  const path = escaped(written).replace(/\[[^\]]*\]|\{[^}]*\}|\?/g, "*").replace(/^\.\//, "")
  const rooted = path.startsWith("/")
  const at = rooted && !path.startsWith("//") ? path.slice(1) : path.replace(/^\/\//, "/")
  const anywhere = at.startsWith("**/") ? at.slice(3) : !rooted && /^[^~*][^/]*\/?$/.test(at) ? at : undefined
  const places = anywhere === undefined ? [at] : [anywhere, `*/${anywhere}`]
  const spread = places.flatMap((each) => (each.includes("/**/") ? [each.replaceAll("/**/", "/"), each] : [each]))
  return [...new Set(spread.map((each) => each.replace(/\*+/g, "*")))]
}
