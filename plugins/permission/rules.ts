/**
 * What may happen, decided: rules and an ask in, a verdict out; pure. Deny beats everything; then the nearest layer
 * with a match decides, and in one layer the more precise rule (on a tie, ask). A command line is allowed only when
 * each command in it is.
 */
import { homedir } from "node:os"
import { dirname, isAbsolute, resolve } from "node:path"
import { inside } from "../lib/confine.ts"
import { readCommand, type CommandLine, type SimpleCommand } from "./command.ts"
import type { PermissionAsk, Verdict } from "./contract.ts"
import { exactly, isExact, matchesPattern, precision } from "./pattern.ts"

/** Nearest first. */
export const LAYERS = ["flag", "env", "saved", "project", "user", "default"] as const
export type RuleLayer = (typeof LAYERS)[number]
export type Effect = Verdict["effect"]
export interface Rule { effect: Effect; action: string; /** Absent: whatever it is done to; for an allowed file action, whatever is in the project. */ pattern?: string; text: string; layer: RuleLayer; source: string }

/** The action whose resource is a shell line, and the one as which its redirects are judged. */
const SHELL = "bash"
const WRITE = "write"

const DEFAULTS: Readonly<Record<Effect, readonly string[]>> = {
  allow: ["read", "ls", "glob", "grep", "read:*.env.example"],
  // Secrets by custom, and searches that would take hours.
  ask: ["read:*.env", "read:*.env.*", "grep:*.env", "grep:*.env.*", "grep:~", "glob:~", "grep:/", "glob:/"],
  deny: [],
}

export function parseRule(text: string, effect: Effect, layer: RuleLayer, source: string): Rule | undefined {
  const parts = /^\s*([\w.*-]+)(?::([\s\S]+)|\s*)$/.exec(text)
  if (!parts) return undefined
  const [, action, given] = parts as unknown as [string, string, string | undefined]
  // What people write after "bash:" with a space is meant without it; what was saved stands as it is.
  const pattern = layer === "saved" ? given : given?.trimStart()
  return { effect, action, ...(pattern === undefined || (action === SHELL && pattern === "*") ? {} : { pattern }), text, layer, source }
}

export const defaultRules: readonly Rule[] = (Object.keys(DEFAULTS) as Effect[]).flatMap((effect) => DEFAULTS[effect].map((text) => parseRule(text, effect, "default", "default")!))

/** `realOf`: where a path that is written really leads. */
export function judge(ask: PermissionAsk, rules: readonly Rule[], location: string, realOf: (path: string) => string = (path) => path): Verdict {
  const verdict = ask.action === SHELL ? judgeLine(ask, rules, location, realOf) : verdictOf(deciding(rules.filter((rule) => matches(rule, ask, location))), ask.action)
  return verdict.effect === "ask" ? { ...verdict, suggest: ask.rule ?? suggest(ask, location) } : verdict
}

/** Deny beats everything; else the nearest layer decides, in it the more precise rule, on a tie ask. */
function deciding(matching: readonly Rule[]): Rule | undefined {
  const denied = matching.find((rule) => rule.effect === "deny")
  if (denied) return denied
  for (const layer of LAYERS) {
    const [first] = matching.filter((rule) => rule.layer === layer).sort((a, b) => weight(b) - weight(a) || (a.effect === "ask" ? -1 : 1))
    if (first) return first
  }
  return undefined
}

const weight = (rule: Rule): number => (rule.pattern === undefined ? -1 : precision(rule.pattern))
const verdictOf = (rule: Rule | undefined, action: string): Verdict => (rule ? { effect: rule.effect, rule: rule.text, source: rule.source } : { effect: "ask", rule: action, source: "default" })

/** What a rule is held against. `also`: other names of the same thing, by which a rule that forbids may know it. */
interface Subject { action: string; resource: string; also?: readonly string[]; /** Why it is asked about, where the ask does not show it. */ reason?: string }

function matches(rule: Rule, { action, resource, also = [] }: Subject, location: string): boolean {
  if (!matchesPattern(rule.action, action)) return false
  const { pattern, effect } = rule
  if (action === SHELL) return pattern === undefined || (effect === "allow" ? [resource] : [resource, ...also]).some((name) => matchesPattern(pattern, name) || (pattern.endsWith(" *") && matchesPattern(pattern.slice(0, -2), name)))
  if (!isAbsolute(resource)) return pattern === undefined || matchesPattern(pattern, resource)
  if (pattern === undefined) return effect !== "allow" || rule.action === "*" || inside(location, resource)
  const wanted = [anchor(pattern, location), ...(effect !== "allow" && pattern.startsWith("*") ? [pattern] : [])].flatMap((each) => reach(each, effect))
  // A directory is also named with a slash at its end, so that "docs/*" covers docs itself.
  return wanted.some((each) => matchesPattern(each, resource) || matchesPattern(each, `${resource}/`))
}

/** A pattern that ends with a slash is the directory with all that is in it; what is denied is denied with all that is in it. */
function reach(pattern: string, effect: Effect): string[] {
  if (pattern.endsWith("/") && pattern !== "/") return [`${pattern}*`]
  return effect === "deny" && pattern !== "/" ? [pattern, `${pattern}/*`] : [pattern]
}

/** Patterns of files start at the project, unless they say otherwise. */
export function anchor(pattern: string, location: string): string {
  if (pattern === "~" || pattern.startsWith("~/")) return exactly(homedir()) + pattern.slice(1)
  if (isAbsolute(pattern)) return pattern
  const step = /^\.(\.?)(?:\/+|$)/.exec(pattern)
  if (step) return anchor(pattern.slice(step[0].length), step[1] ? dirname(location) : location)
  return `${exactly(location === "/" ? "" : location)}/${pattern}`
}

/** A rule for whatever the shell is given, or one without a star that names this very line. */
const isForLine = (rule: Rule, line: string): boolean => matchesPattern(rule.action, SHELL) && (rule.pattern === undefined || namesLine(rule, line))
const namesLine = (rule: Rule, line: string): boolean => rule.action === SHELL && rule.pattern !== undefined && isExact(rule.pattern) && matchesPattern(rule.pattern, line)

function judgeLine(ask: PermissionAsk, rules: readonly Rule[], location: string, realOf: (path: string) => string): Verdict {
  const text = ask.resource.trim()
  const line = readCommand(ask.resource)
  const subjects = [...line.commands.map((command) => subjectOf(ask, command, line)), ...writesOf(ask, location, line).map((path) => writeOf(realOf(path)))]
  for (const subject of [{ action: ask.action, resource: text }, ...subjects]) {
    const denied = rules.find((rule) => rule.effect === "deny" && matches(rule, subject, location))
    if (denied) return { ...verdictOf(denied, ask.action), ...(subject.reason && { reason: subject.reason }) }
  }
  const whole = deciding(rules.filter((rule) => isForLine(rule, text)))
  if (line.unclear) return judgeUnclear(ask, whole, line.unclear, rules)
  const judged = subjects.map((subject) => ({ subject, rule: deciding(rules.filter((rule) => matches(rule, subject, location) || namesLine(rule, text) || (rule.effect === "allow" && isForLine(rule, text)))) }))
  const asking = judged.find(({ rule }) => rule?.effect !== "allow")
  if (asking) return { ...verdictOf(asking.rule, asking.subject.action), ...(asking.subject.reason && { reason: asking.subject.reason }) }
  return verdictOf(judged[0]?.rule ?? whole, ask.action)
}

function subjectOf(ask: PermissionAsk, command: SimpleCommand, { commands }: CommandLine): Subject {
  return { action: ask.action, resource: command.text, also: dresses(command), ...(commands.length > 1 && { reason: `because of: ${command.text}` }) }
}

const writeOf = (path: string): Subject => ({ action: WRITE, resource: path, reason: `it writes ${path}` })

/** The files that a line's redirects write, as absolute paths. */
export const writesOf = (ask: PermissionAsk, location: string, line: CommandLine = readCommand(ask.resource)): string[] => line.writes.map((target) => resolve(ask.directory ?? location, target))

/** A command without its quotes, its assignments, its directory, and the options before its verb ("git -C . push"). */
function dresses({ name, head, words }: SimpleCommand): string[] {
  const bare = words.slice(Math.max(head, 0))
  const rest = bare.slice(1)
  const out = [words.join(" "), bare.join(" "), [name, ...rest].join(" ")]
  for (let at = 1; at < rest.length && (rest[at - 1]!.startsWith("-") || rest[at - 2]?.startsWith("-")); at++) out.push([name, ...rest.slice(at)].join(" "))
  return out
}

/** Only a rule for every command, or one that names this very line, can allow what cannot be read; and not where a pattern that is as near forbids something. */
function judgeUnclear(ask: PermissionAsk, whole: Rule | undefined, unclear: string, rules: readonly Rule[]): Verdict {
  if (whole?.effect !== "allow") return { ...verdictOf(whole, ask.action), reason: `it cannot be read for certain: ${unclear}` }
  const careful = whole.pattern !== undefined ? undefined : rules.find((rule) => mayHold(rule) && (rule.effect === "deny" || LAYERS.indexOf(rule.layer) <= LAYERS.indexOf(whole.layer)))
  if (!careful) return verdictOf(whole, ask.action)
  return { effect: "ask", rule: careful.text, source: careful.source, reason: `it cannot be read for certain (${unclear}), and "${careful.text}" might hold` }
}

/** Does this rule forbid some command or some write? */
const mayHold = (rule: Rule): boolean => rule.effect !== "allow" && ((rule.pattern !== undefined && matchesPattern(rule.action, SHELL)) || matchesPattern(rule.action, WRITE))

/** Programs whose first word after the name says what they do, or names what they run. */
const SUBCOMMANDS = new Set(["git", "npm", "pnpm", "yarn", "bun", "cargo", "go", "docker", "kubectl", "gh", "pip", "uv", "make", "deno", "dotnet", "terraform", "brew", "apt", "systemctl", "npx", "pnpx", "bunx", "uvx", "node", "tsx", "python", "python3", "ruby", "perl", "php", "sh", "bash"])
/** Verbs that say nothing without the word after them. */
const NAMING = new Set(["run", "exec", "compose", "x", "dlx", "tool"])
/** Programs each of whose uses is a decision of its own. */
const GRAVE = new Set(["rm", "rmdir", "mv", "cp", "ln", "dd", "tee", "truncate", "shred", "install", "chmod", "chown", "chgrp", "kill", "pkill", "killall", "curl", "wget", "ssh", "scp", "sftp", "rsync", "nc", "mount", "umount", "reboot", "shutdown"])

/** The rule that "always" saves: wide enough to be worth it, no wider than what was seen. */
export function suggest(ask: PermissionAsk, location: string): string {
  const { action, resource } = ask
  if (action === SHELL) return `${action}:${commandPattern(ask) ?? exactly(resource.trim())}`
  if (resource === "") return action
  const exact = `${action}:${exactly(resource)}`
  if (!isAbsolute(resource) || defaultRules.some((rule) => rule.effect === "ask" && matches(rule, ask, location))) return exact
  if (inside(location, resource)) return action
  if (LISTING.has(action)) return `${action}:${exactly(resource)}/*`
  const directory = dirname(resource)
  return action === "read" && directory !== "/" && !inside(directory, homedir()) ? `${action}:${exactly(directory)}/*` : exact
}

/** Actions on a directory. */
const LISTING = new Set(["ls", "glob", "grep"])

/** A program with what it does; undefined where only the very line says enough. */
function commandPattern(ask: PermissionAsk): string | undefined {
  const { commands: [command, ...others], writes, unclear } = readCommand(ask.resource)
  if (!command || others.length > 0 || writes.length > 0 || unclear || command.head !== 0 || GRAVE.has(command.name)) return undefined
  if (!SUBCOMMANDS.has(command.name)) return `${exactly(command.words[0]!)} *`
  const verbs = command.words.slice(1, NAMING.has(command.words[1] ?? "") ? 3 : 2)
  const plain = verbs.length > 0 && verbs.every((verb) => /^[\w@.][\w@./:-]*$/.test(verb)) && !NAMING.has(verbs.at(-1)!)
  return plain ? `${exactly([command.words[0]!, ...verbs].join(" "))} *` : undefined
}
