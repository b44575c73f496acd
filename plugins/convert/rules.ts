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
export function addRules(moving: Moving, all: readonly Said[]): void {
  const said = all.flatMap((rule) => (rule.action === ALL && rule.pattern === ALL && rule.effect !== "allow" ? EVERY.map((action) => ({ ...rule, action })) : [rule]))
  said.forEach((rule, i) => {
    const later = said.slice(i + 1).filter(({ effect }) => effect !== rule.effect)
    const same = later.find(({ action, pattern }) => action === rule.action && pattern === rule.pattern)
    const over = same ?? later.find((other) => covers(other.action, rule.action) && covers(other.pattern, rule.pattern))
    if (over && (over === same || rule.effect !== "deny")) return moving.leave(rule.keys, `${named(over.keys)} comes later, and covers it`)
    if (over) return addRule(moving, rule, `${named(over.keys)} comes later and counts there; here a deny counts always`)
    const excepted = rule.effect === "deny" && later.some((other) => covers(rule.action, other.action) && covers(rule.pattern, other.pattern))
    addRule(moving, excepted ? { ...rule, effect: "ask" } : rule, excepted ? "a deny has no exceptions here, so it asks" : undefined)
  })
}

const named = (keys: Keys): string => `"${keys.slice(1).join(".") || keys.join(".")}"`
const covers = (pattern: string, inner: string): boolean => wildcard(pattern.length, inner.length, (at) => pattern[at] === "*", (at, to) => pattern[at] === inner[to])

function addRule(moving: Moving, { action, pattern, effect, keys }: Said, note?: string): void {
  const how = note === undefined ? {} : { note }
  if (Object.hasOwn(NOWHERE, action)) return moving.leave(keys, NOWHERE[action]!)
  if (action === ALL) return moving.leave(keys, effect === "allow" && pattern === ALL ? EVERYTHING : "a pattern belongs to one tool")
  const tools = Object.hasOwn(ACTIONS, action) ? ACTIONS[action]! : undefined
  if (!tools) return addServerRule(moving, action, pattern, effect, keys, how)
  if (pattern !== ALL && !SCOPED.has(tools[0]!)) return moving.leave(keys, `"${tools[0]}" is asked about as a whole`)
  const wanted = patternOf(pattern, effect)
  if (wanted === undefined) return moving.leave(keys, 'it has a "?", which a rule that allows cannot have here')
  for (const tool of tools) moving.push(["permissions", effect], wanted === ALL ? tool : `${tool}:${wanted}`, keys, how)
}

/** Tools of MCP servers are `<server>_<tool>` there. */
function addServerRule(moving: Moving, action: string, pattern: string, effect: Effect, keys: Keys, how: { note?: string }): void {
  const [, server, tool] = /^([\w-]+?)_(.+)$/.exec(action) ?? /^([\w-]+)(\*)$/.exec(action) ?? []
  if (server === undefined || pattern !== ALL) return moving.leave(keys, "no tool of this name is known here")
  moving.push(["permissions", effect], `mcp:${server}/${tool}`, keys, { note: `it is taken for the MCP server "${server}"`, ...how })
}

/** `?` is one character there; our backslash is theirs twice. */
function patternOf(pattern: string, effect: Effect): string | undefined {
  const home = pattern.replace(/^\$HOME(?=$|\/)/, "~").replaceAll("\\", "\\\\").replace(/\*+/g, "*")
  if (!home.includes("?")) return home
  return effect === "allow" ? undefined : home.replaceAll("?", "*").replace(/\*+/g, "*")
}
