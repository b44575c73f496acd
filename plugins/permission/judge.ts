/**
 * What may happen, decided: rules and an ask in, a verdict out; pure. Deny beats everything; then the nearest layer
 * with a match decides, and in one layer the more precise rule (on a tie, ask). A command line is allowed only when
 * each command in it is, and each file that it writes.
 */
import { readCommand, type CommandLine } from "./command.ts"
import type { Judged, PermissionAsk, Verdict } from "./contract.ts"
import type { Parse } from "./grammar.ts"
import { isExact, matchesPattern, precision } from "./pattern.ts"
import { LAYERS, matches, mayMatch, SHELL, WRITE, type Rule } from "./rules.ts"
import type { SimpleCommand } from "./simple.ts"
import { partsOf, placeOf, type Part } from "./subjects.ts"
import { suggest } from "./suggest.ts"

/** `line`: the ask's command line, read; `realOf`: where a path that it names really leads. */
export interface Seen { line?: CommandLine; realOf?(path: string): string }
export const read = (ask: PermissionAsk, parse: Parse | undefined): CommandLine | undefined => (ask.action === SHELL && parse ? readCommand(ask.resource, parse) : undefined)
/** What nobody has read may be anything. */
const UNREAD: CommandLine = { commands: [], writes: [], reads: [], unclear: "the grammar of the shell could not be loaded" }

export const judge = (ask: PermissionAsk, rules: readonly Rule[], location: string, seen: Seen = {}): Verdict => explain(ask, rules, location, seen).verdict

/** The verdict, and what each part of a command line would be answered by itself. */
export function explain(ask: PermissionAsk, rules: readonly Rule[], location: string, { line = ask.action === SHELL ? UNREAD : undefined, realOf = (path) => path }: Seen = {}): { verdict: Verdict; parts: Judged[] } {
  const parts = line ? partsOf(line, placeOf(ask, location, realOf)) : []
  const judged = parts.map((part) => judgePart(part, ask, rules, location))
  const verdict = line ? judgeLine(ask, rules, location, line, parts, judged) : verdictOf(deciding(rules.filter((rule) => matches(rule, ask, location))), ask.action)
  return {
    verdict: verdict.effect === "ask" ? { ...verdict, suggest: ask.rule ?? suggest(ask, location, line && onlyAsking(line, judged)) } : verdict,
    // What is only named is of interest where it decides.
    parts: parts.flatMap(({ action, resource, named }, at) => (named && judged[at]!.effect === "allow" ? [] : [{ action, resource, ...judged[at]! }])),
  }
}

/** The one command for the sake of which a line is asked about. Its commands are the first of its parts. */
function onlyAsking({ commands, unclear }: CommandLine, judged: readonly Verdict[]): SimpleCommand | undefined {
  const asking = judged.flatMap(({ effect }, at) => (effect === "ask" ? [at] : []))
  return unclear === undefined && asking.length === 1 ? commands[asking[0]!] : undefined
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
/** What no rule has to allow. */
const HARMLESS: Verdict = { effect: "allow", rule: "", source: "harmless" }
const nearness = (rule: Rule | undefined): number => (rule ? LAYERS.indexOf(rule.layer) : -1)

/** A rule for whatever the shell is given, or one without a star that names this very line. */
const isForLine = (rule: Rule, line: string): boolean => matchesPattern(rule.action, SHELL) && (rule.pattern === undefined || namesLine(rule, line))
const namesLine = (rule: Rule, line: string): boolean => rule.action === SHELL && rule.pattern !== undefined && isExact(rule.pattern) && matchesPattern(rule.pattern, line)

function judgePart(part: Part, ask: PermissionAsk, rules: readonly Rule[], location: string): Verdict {
  const text = ask.resource.trim()
  const because = part.reason === undefined ? {} : { reason: part.reason }
  const rule = deciding(rules.filter((each) => matches(each, part, location) || namesLine(each, text) || (each.effect === "allow" && isForLine(each, text))))
  if (rule?.effect === "deny") return { ...verdictOf(rule, part.action), ...because }
  // What may turn out to be forbidden is asked about, unless a nearer rule allows it.
  const doubtful = rules.find((each) => mayMatch(each, part, location) && (each.effect === "deny" || rule?.effect !== "allow" || nearness(each) <= nearness(rule)))
  if (doubtful) return { effect: "ask", rule: doubtful.text, source: doubtful.source, reason: `"${doubtful.text}" might hold for: ${part.resource}` }
  if (rule) return { ...verdictOf(rule, part.action), ...(rule.effect === "ask" && because) }
  return part.needed ? { ...verdictOf(undefined, part.action), ...because } : HARMLESS
}

function judgeLine(ask: PermissionAsk, rules: readonly Rule[], location: string, line: CommandLine, parts: readonly Part[], judged: readonly Verdict[]): Verdict {
  const text = ask.resource.trim()
  const forbidden = rules.find((rule) => rule.effect === "deny" && matches(rule, { action: ask.action, resource: text }, location))
  const denied = forbidden ? verdictOf(forbidden, ask.action) : judged.find(({ effect }) => effect === "deny")
  if (denied) return denied
  const whole = deciding(rules.filter((rule) => isForLine(rule, text)))
  if (line.unclear) return judgeUnclear(ask, whole, line.unclear, rules)
  const asking = judged.find(({ effect }) => effect === "ask")
  if (asking) return asking
  return judged.find((_, at) => parts[at]!.needed) ?? (whole ? verdictOf(whole, ask.action) : HARMLESS)
}

/** Only a rule for every command, or one that names this very line, can allow what cannot be read; and not where a pattern that is as near forbids something. */
function judgeUnclear(ask: PermissionAsk, whole: Rule | undefined, unclear: string, rules: readonly Rule[]): Verdict {
  if (whole?.effect !== "allow") return { ...verdictOf(whole, ask.action), reason: `it cannot be read for certain: ${unclear}` }
  const careful = whole.pattern !== undefined ? undefined : rules.find((rule) => mayHold(rule) && (rule.effect === "deny" || nearness(rule) <= nearness(whole)))
  if (!careful) return verdictOf(whole, ask.action)
  return { effect: "ask", rule: careful.text, source: careful.source, reason: `it cannot be read for certain (${unclear}), and "${careful.text}" might hold` }
}

/** Does this rule forbid some command or some write? */
const mayHold = (rule: Rule): boolean => rule.effect !== "allow" && ((rule.pattern !== undefined && matchesPattern(rule.action, SHELL)) || matchesPattern(rule.action, WRITE))
