/**
 * Permissions of other programs as Graft's rules. Theirs are read in order and the last that fits counts; here a deny
 * beats everything, then the longer pattern counts. So what could never count there is left out, a deny with exceptions
 * asks instead, and nothing becomes wider than it was. Pure.
 */
import type { Keys } from "../lib/tree.ts"
import { wildcard } from "../lib/wildcard.ts"
import type { Moving } from "./moving.ts"

export type Effect = "allow" | "ask" | "deny"
export const isEffect = (value: unknown): value is Effect => value === "allow" || value === "ask" || value === "deny"
/** `pattern` "*" is whatever it is done to. */
export interface Said { action: string; pattern: string; effect: Effect; keys: Keys }

const ALL = "*"
/** Their names of what may be done, as ours. */
const ACTIONS: Readonly<Record<string, readonly string[]>> = {
  read: ["read"], list: ["ls"], ls: ["ls"], glob: ["glob"], grep: ["grep"], edit: ["edit", "write"], write: ["write", "edit"], patch: ["edit", "write"], multiedit: ["edit", "write"],
  bash: ["bash"], shell: ["bash"], webfetch: ["webfetch"], fetch: ["webfetch"], websearch: ["websearch"], task: ["task"], subagent: ["task"], todowrite: ["todo"], todoread: ["todo"], question: ["question"], skill: ["skill"], mcp: ["mcp"],
}
/** Those whose patterns say what it is done to here as well. */
const SCOPED: ReadonlySet<string> = new Set(["read", "ls", "glob", "grep", "edit", "write", "bash", "webfetch", "websearch"])
/** What there is no action for, and why. */
const NOWHERE: Readonly<Record<string, string>> = {
  external_directory: "a rule of each action says what may be done outside of the project, e.g. read:~/notes/*; without one it asks",
  doom_loop: "repeated calls are noticed by the runner itself", lsp: "language servers only read", codesearch: "there is no such tool", plan_enter: "there is no such mode", plan_exit: "there is no such mode",
}
export const EVERYTHING = "it would allow everything; say that to Graft itself: --allow '*'"

/** What "*" stands for, tool by tool: here a rule for everything would also lie over what is said of one tool. */
const EVERY = ["read", "list", "glob", "grep", "edit", "bash", "webfetch", "websearch", "task", "todowrite", "mcp"] as const

/** In the order in which they are read, the last that fits counting. */
export function addRules(moving: Moving, all: readonly Said[], servers: readonly string[] = []): void {
  const said = all.flatMap((rule) => {
    if (rule.action === ALL) return rule.pattern === ALL && rule.effect !== "allow" ? EVERY.map((action) => ({ ...rule, action })) : [rule]
    const meant = rule.action.includes("*") && !serverOf(rule.action, servers) ? [...EVERY, ...Object.keys(NOWHERE)].filter((action) => covers(rule.action, action)) : []
    return meant.length > 0 ? meant.map((action) => ({ ...rule, action })) : [rule]
  })
  said.forEach((rule, i) => {
    const later = said.slice(i + 1).filter(({ effect }) => effect !== rule.effect)
    const same = later.find(({ action, pattern }) => action === rule.action && pattern === rule.pattern)
    const over = same ?? later.find((other) => covers(other.action, rule.action) && covers(other.pattern, rule.pattern))
    if (over && (over === same || rule.effect !== "deny")) return moving.leave(rule.keys, `${named(over.keys)} comes later, and covers it`)
    if (over) return addRule(moving, rule, servers, `${named(over.keys)} comes later and counts there; here a deny counts always`)
    const excepted = rule.effect === "deny" && later.some((other) => covers(rule.action, other.action) && covers(rule.pattern, other.pattern))
    addRule(moving, excepted ? { ...rule, effect: "ask" } : rule, servers, excepted ? "a deny has no exceptions here, so it asks" : undefined)
  })
}

const named = (keys: Keys): string => `"${keys.slice(1).join(".") || keys.join(".")}"`
const covers = (pattern: string, inner: string): boolean => wildcard(pattern.length, inner.length, (at) => pattern[at] === "*", (at, to) => pattern[at] === inner[to])

function addRule(moving: Moving, { action, pattern, effect, keys }: Said, servers: readonly string[], note?: string): void {
  const how = note === undefined ? {} : { note }
  if (Object.hasOwn(NOWHERE, action)) return moving.leave(keys, NOWHERE[action]!)
  if (action === ALL) return moving.leave(keys, effect === "allow" && pattern === ALL ? EVERYTHING : "a pattern belongs to one tool")
  const tools = Object.hasOwn(ACTIONS, action) ? ACTIONS[action]! : undefined
  if (!tools) return addServerRule(moving, action, pattern, effect, keys, servers, how)
  if (pattern !== ALL && !SCOPED.has(tools[0]!)) return moving.leave(keys, `"${tools[0]}" is asked about as a whole`)
  const wanted = patternOf(pattern, effect)
  if (wanted === undefined) return moving.leave(keys, 'it has a "?", which a rule that allows cannot have here')
  for (const tool of tools) moving.push(["permissions", effect], wanted === ALL ? tool : `${tool}:${wanted}`, keys, how)
}

/** Tools of MCP servers are `<server>_<tool>` there. */
function addServerRule(moving: Moving, action: string, pattern: string, effect: Effect, keys: Keys, servers: readonly string[], how: { note?: string }): void {
  const known = serverOf(action, servers)
  const [, server, tool] = known ? ["", ...known] : (/^([\w-]+?)_(.+)$/.exec(action) ?? /^([\w-]+)(\*)$/.exec(action) ?? [])
  if (server === undefined || pattern !== ALL) return moving.leave(keys, "no tool of this name is known here")
  moving.push(["permissions", effect], `mcp:${server}/${tool}`, keys, known ? how : { note: `it is taken for the MCP server "${server}"`, ...how })
}

/** The server that a tool's name begins with, and the rest; of several the longest. */
function serverOf(action: string, servers: readonly string[]): [server: string, tool: string] | undefined {
  const flat = (name: string) => name.replace(/[^\w-]/g, "_")
  const [server] = servers.filter((name) => action.startsWith(`${flat(name)}_`) || action === `${flat(name)}*`).sort((x, y) => y.length - x.length)
  return server === undefined ? undefined : [server, action.slice(flat(server).length).replace(/^_/, "") || ALL]
}

/** What one agent may not use. It has a tool or has it not; whether that asks is in everybody's rules. */
export function addAgentTools(moving: Moving, said: readonly Said[], to: Keys): void {
  const none = said.findLast(({ action, pattern }) => action === ALL && pattern === ALL)?.effect === "deny"
  said.forEach((rule, i) => {
    const { action, pattern, effect, keys } = rule
    const names = Object.hasOwn(ACTIONS, action) ? ACTIONS[action]! : [action]
    if (none && pattern === ALL && (effect !== "deny" || action === ALL)) {
      if (action !== ALL) for (const name of names) moving.push(to, name, keys)
      else if (said.every((other) => other.effect === "deny" || other.pattern !== ALL)) moving.push(to, "!*", keys)
      else moving.imply(keys, "it has the tools that are named")
    } else if (effect === "deny" && pattern === ALL) {
      const later = said.slice(i + 1).filter((other) => other.action === action && other.effect !== "deny")
      if (later.some((other) => other.pattern === ALL)) return moving.leave(keys, "a later one says otherwise")
      for (const name of names) moving.push(to, `!${name}`, keys, later.length > 0 ? { note: "a tool that an agent has not has no exceptions" } : {})
    } else moving.leave(keys, "an agent has a tool or has it not; whether it asks is in everybody's rules")
  })
}

/** `?` is one character there; our backslash is theirs twice. */
function patternOf(pattern: string, effect: Effect): string | undefined {
  const home = pattern.replace(/^\$HOME(?=$|\/)/, "~").replaceAll("\\", "\\\\").replace(/\*+/g, "*")
  if (!home.includes("?")) return home
  return effect === "allow" ? undefined : home.replaceAll("?", "*").replace(/\*+/g, "*")
}
