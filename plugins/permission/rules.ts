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

/** Actions whose resource is a shell line. */
const COMMANDS: ReadonlySet<string> = new Set(["bash"])

const DEFAULTS: Readonly<Record<Effect, readonly string[]>> = {
  allow: ["read", "ls", "glob", "grep", "read:*.env.example"],
  // Secrets by custom, and searches that would take hours.
  ask: ["read:*.env", "read:*.env.*", "grep:*.env", "grep:*.env.*", "grep:~", "glob:~", "grep:/", "glob:/"],
  deny: [],
}

export function parseRule(text: string, effect: Effect, layer: RuleLayer, source: string): Rule | undefined {
  const parts = /^\s*([\w.*-]+)(?::([\s\S]+)|\s*)$/.exec(text)
  return parts ? { effect, action: parts[1]!, ...(parts[2] === undefined ? {} : { pattern: parts[2] }), text, layer, source } : undefined
}

export const defaultRules: readonly Rule[] = (Object.keys(DEFAULTS) as Effect[]).flatMap((effect) => DEFAULTS[effect].map((text) => parseRule(text, effect, "default", "default")!))

export function judge(ask: PermissionAsk, rules: readonly Rule[], location: string): Verdict {
  const verdict = COMMANDS.has(ask.action) ? judgeLine(ask, rules, location) : judgeOne(ask, rules, location)
  return verdict.effect === "ask" ? { ...verdict, suggest: ask.rule ?? suggest(ask, location) } : verdict
}

/** `line`: the whole line that a command stands in; a rule without a star may name it as it is. */
function judgeOne(ask: PermissionAsk, rules: readonly Rule[], location: string, line?: string): Verdict {
  const matching = rules.filter((rule) => matches(rule, ask, location) || (line !== undefined && namesLine(rule, line)))
  const denied = matching.find((rule) => rule.effect === "deny")
  if (denied) return verdictOf(denied)
  for (const layer of LAYERS) {
    const [first] = matching.filter((rule) => rule.layer === layer).sort((a, b) => weight(b) - weight(a) || (a.effect === "ask" ? -1 : 1))
    if (first) return verdictOf(first)
  }
  return { effect: "ask", rule: ask.action, source: "default" }
}

const weight = (rule: Rule): number => (rule.pattern === undefined ? -1 : precision(rule.pattern))
const verdictOf = (rule: Rule): Verdict => ({ effect: rule.effect, rule: rule.text, source: rule.source })
const namesLine = (rule: Rule, line: string): boolean => COMMANDS.has(rule.action) && rule.pattern !== undefined && isExact(rule.pattern) && matchesPattern(rule.pattern, line.trim())

function matches(rule: Rule, ask: PermissionAsk, location: string): boolean {
  if (!matchesPattern(rule.action, ask.action)) return false
  const file = !COMMANDS.has(ask.action) && isAbsolute(ask.resource)
  if (rule.pattern === undefined) return !file || rule.effect !== "allow" || rule.action === "*" || inside(location, ask.resource)
  if (COMMANDS.has(ask.action)) return matchesPattern(rule.pattern, ask.resource) || (rule.pattern.endsWith(" *") && matchesPattern(rule.pattern.slice(0, -2), ask.resource))
  if (!file) return matchesPattern(rule.pattern, ask.resource)
  // A directory is also named with a slash at its end, so that "docs/*" covers docs itself.
  const paths = [ask.resource, `${ask.resource}/`]
  const anchored = anchor(rule.pattern, location)
  return paths.some((path) => matchesPattern(anchored, path) || (rule.effect !== "allow" && rule.pattern!.startsWith("*") && matchesPattern(rule.pattern!, path)))
}

/** Patterns of files start at the project, unless they say otherwise. */
function anchor(pattern: string, location: string): string {
  if (pattern === "~" || pattern.startsWith("~/")) return exactly(homedir()) + pattern.slice(1)
  if (isAbsolute(pattern)) return pattern
  return `${exactly(location === "/" ? "" : location)}/${pattern.replace(/^\.\//, "")}`
}

function judgeLine(ask: PermissionAsk, rules: readonly Rule[], location: string): Verdict {
  const line = readCommand(ask.resource)
  const denied = deniedIn(ask, line, rules, location)
  if (denied) return denied
  const whole = judgeOne(ask, rules.filter((rule) => rule.pattern === undefined || namesLine(rule, ask.resource)), location, ask.resource)
  if (line.unclear) return judgeUnclear(whole, line.unclear, rules)
  const verdicts = line.commands.map((command) => ({ command, verdict: judgeOne({ ...ask, resource: command.text }, rules, location, ask.resource) }))
  const asking = verdicts.find(({ verdict }) => verdict.effect !== "allow")
  if (asking) return { ...asking.verdict, ...(line.commands.length > 1 ? { reason: `because of: ${asking.command.text}` } : {}) }
  if (whole.effect !== "allow") {
    const writing = judgeWrites(ask, line, rules, location)
    if (writing) return writing
  }
  return verdicts[0]?.verdict ?? whole
}

/** Deny looks at every command in every dress: with and without its assignments and its directory, and at the files it writes. */
function deniedIn(ask: PermissionAsk, line: CommandLine, rules: readonly Rule[], location: string): Verdict | undefined {
  const denies = rules.filter((rule) => rule.effect === "deny")
  if (denies.length === 0) return undefined
  const dressed = [ask.resource.trim(), ...line.commands.flatMap(dresses)].map((resource) => ({ ...ask, resource }))
  const written = line.writes.map((target): PermissionAsk => ({ action: "write", resource: resolve(ask.directory ?? location, target) }))
  for (const subject of [...dressed, ...written]) {
    const rule = denies.find((candidate) => matches(candidate, subject, location))
    if (rule) return { ...verdictOf(rule), ...(subject.action === "write" ? { reason: `it writes ${subject.resource}` } : {}) }
  }
  return undefined
}

function dresses(command: SimpleCommand): string[] {
  const bare = command.words.slice(Math.max(command.head, 0))
  return [command.text, bare.join(" "), [command.name, ...bare.slice(1)].join(" ")]
}

/** Only a rule for every command, or one that names this very line, can allow what cannot be read; and not where patterns forbid something. */
function judgeUnclear(whole: Verdict, unclear: string, rules: readonly Rule[]): Verdict {
  const careful = rules.find((rule) => rule.effect !== "allow" && [...COMMANDS].some((action) => matchesPattern(rule.action, action)) && rule.pattern !== undefined)
  if (whole.effect !== "allow") return { ...whole, reason: `it cannot be read for certain: ${unclear}` }
  if (!careful || whole.rule.includes(":")) return whole
  return { effect: "ask", rule: careful.text, source: careful.source, reason: `it cannot be read for certain (${unclear}), and "${careful.text}" might hold` }
}

function judgeWrites(ask: PermissionAsk, line: CommandLine, rules: readonly Rule[], location: string): Verdict | undefined {
  for (const target of line.writes) {
    if (line.moves && !isAbsolute(target)) return { effect: "ask", rule: "write", source: "default", reason: `it changes directory and then writes ${target}` }
    const resource = resolve(ask.directory ?? location, target)
    const verdict = judgeOne({ action: "write", resource }, rules, location, ask.resource)
    if (verdict.effect !== "allow") return { ...verdict, reason: `it writes ${resource}` }
  }
  return undefined
}

/** Programs whose first word after the name says what they do. */
const SUBCOMMANDS = new Set(["git", "npm", "pnpm", "yarn", "bun", "cargo", "go", "docker", "kubectl", "gh", "pip", "uv", "make", "deno", "dotnet", "terraform", "brew", "apt", "systemctl"])

/** The rule that "always" saves: wide enough to be worth it, no wider than what was seen. */
export function suggest(ask: PermissionAsk, location: string): string {
  if (COMMANDS.has(ask.action)) return suggestCommand(ask) ?? `${ask.action}:${exactly(ask.resource.trim())}`
  const exact = ask.resource === "" ? ask.action : `${ask.action}:${exactly(ask.resource)}`
  if (!isAbsolute(ask.resource) || defaultRules.some((rule) => rule.effect === "ask" && matches(rule, ask, location))) return exact
  return inside(location, ask.resource) ? ask.action : `${ask.action}:${exactly(dirname(ask.resource))}/*`
}

function suggestCommand(ask: PermissionAsk): string | undefined {
  const line = readCommand(ask.resource)
  const [command] = line.commands
  if (line.unclear || line.commands.length !== 1 || line.writes.length > 0 || command?.head !== 0) return undefined
  const [name, verb] = command.words
  return `${ask.action}:${exactly(SUBCOMMANDS.has(command.name) && verb && /^[a-z][\w-]*$/.test(verb) ? `${name} ${verb}` : name!)} *`
}
