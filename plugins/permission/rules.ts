/**
 * What a rule is, and what it is about: `action[:pattern]`, held against an action and what it is done to. Pure. Files
 * are known by their real path; a rule that forbids is held against every name of a thing, one that allows against one.
 */
import { homedir } from "node:os"
import { dirname, isAbsolute } from "node:path"
import { inside } from "../lib/confine.ts"
import type { Verdict } from "./contract.ts"
import { exactly, matchesPattern, meets } from "./pattern.ts"

/** Nearest first. */
export const LAYERS = ["flag", "env", "saved", "project", "user", "managed", "default"] as const
export type RuleLayer = (typeof LAYERS)[number]
export type Effect = Verdict["effect"]
export interface Rule { effect: Effect; action: string; /** Absent: whatever it is done to; for an allowed file action, whatever is in the project. */ pattern?: string; text: string; layer: RuleLayer; source: string }

/** The action whose resource is a shell line, and the one as which its redirects are judged. */
export const SHELL = "bash"
export const WRITE = "write"

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

/** What a rule is held against. `also`: other names of the same thing, by which a rule that forbids may know it. */
export interface Subject {
  action: string
  resource: string
  also?: readonly string[]
  /** Patterns of what it may turn out to be, where that is not certain. */
  loose?: readonly string[]
  /** It is only named: a rule without a pattern is not about it. */
  named?: boolean
  /** Why it is asked about, where the ask does not show it. */
  reason?: string
}

export function matches(rule: Rule, { action, resource, also = [], named }: Subject, location: string): boolean {
  if (!matchesPattern(rule.action, action)) return false
  const { pattern, effect } = rule
  if (named && pattern === undefined) return false
  if (action === SHELL) return pattern === undefined || (effect === "allow" ? [resource] : [resource, ...also]).some((name) => matchesPattern(pattern, name) || (pattern.endsWith(" *") && matchesPattern(pattern.slice(0, -2), name)))
  if (!isAbsolute(resource)) return pattern === undefined || matchesPattern(pattern, resource)
  if (pattern === undefined) return effect !== "allow" || rule.action === "*" || inside(location, resource)
  // A directory is also named with a slash at its end, so that "docs/*" covers docs itself.
  return wantedBy(pattern, effect, location).some((each) => matchesPattern(each, resource) || matchesPattern(each, `${resource}/`))
}

/** Can a rule that forbids be about what is not certain? */
export function mayMatch(rule: Rule, { action, loose = [] }: Subject, location: string): boolean {
  const { pattern, effect } = rule
  if (effect === "allow" || pattern === undefined || !matchesPattern(rule.action, action)) return false
  const wanted = action === SHELL ? [pattern, ...(pattern.endsWith(" *") ? [pattern.slice(0, -2)] : [])] : wantedBy(pattern, effect, location)
  return loose.some((each) => wanted.some((one) => meets(one, each)))
}

const wantedBy = (pattern: string, effect: Effect, location: string): string[] => [anchor(pattern, location), ...(effect !== "allow" && pattern.startsWith("*") ? [pattern] : [])].flatMap((each) => reach(each, effect))

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
