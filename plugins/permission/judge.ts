/**
 * What may happen, decided: rules and an ask in, a verdict out; pure. Deny beats everything; then the nearest layer
 * with a match decides, and in one layer the more precise rule (on a tie, ask). A command line is allowed only when
 * each command in it is, and each file that it writes.
 */
import { resolve } from "node:path"
import { readCommand, type CommandLine, type SimpleCommand } from "./command.ts"
import type { PermissionAsk, Verdict } from "./contract.ts"
import { isExact, matchesPattern, precision } from "./pattern.ts"
import { LAYERS, matches, SHELL, WRITE, type Rule, type Subject } from "./rules.ts"
import { suggest } from "./suggest.ts"

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
