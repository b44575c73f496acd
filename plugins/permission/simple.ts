/** One simple command out of its words: what it is called, what it carries, and what about it is not certain. Pure. */
import { carriedBy, type Carried } from "./carried.ts"
import { isHarmless, isSteered, runsMore, setsMore } from "./programs.ts"
import type { Word } from "./word.ts"

/** `text` is the command as its rules see it: words unquoted unless they hold a space, joined by one; `head` is where its name stands, after its assignments (-1: there is none). `harmless`: it needs no rule; it does nothing, or only carries one that is listed by itself. */
export interface SimpleCommand { name: string; head: number; words: readonly Word[]; text: string; harmless: boolean }
export interface Simple { command: SimpleCommand; carried?: Carried; doubts: string[] }

/** Variables that programs take for settings, and run nothing of. */
const SETTINGS = new Set(["CI", "NODE_ENV", "FORCE_COLOR", "NO_COLOR", "COLUMNS", "TZ", "LANG", "LC_ALL"])

export function simpleOf(given: readonly Word[]): Simple | undefined {
  const words = given.some(({ sets }) => sets === undefined) ? given.filter(({ sets, sure }) => !sets || !sure || !SETTINGS.has(sets)) : given
  if (words.length === 0) return undefined
  const head = words.findIndex(({ sets }) => sets === undefined)
  const text = words.map((word) => quoted(word.text)).join(" ")
  const assigned = words.slice(0, head < 0 ? undefined : head).map((word) => setsMore(word.text))
  const [program, ...rest] = head < 0 ? [] : words.slice(head)
  if (!program) return { command: { name: "", head, words, text, harmless: words.every(({ sets }) => isOwn(sets!)) }, doubts: reasons(assigned) }
  const name = program.text.slice(program.text.lastIndexOf("/") + 1)
  if (!program.sure || !/^[\w./+@%:,[-]+$/.test(program.text)) return { command: { name, head, words, text, harmless: false }, doubts: reasons([...assigned, "a command whose name is not certain"]) }
  const values = rest.map((word) => word.text)
  const carried = carriedBy(name, rest)
  // A file of that name may be anything.
  const known = /^(?:(?:\/usr)?\/bin\/)?[^/]+$/.test(program.text)
  const harmless = head === 0 && known && (carried?.only === true || isHarmless(name, values))
  const steered = isSteered(name) && rest.some((word, at) => maySteer(name, rest, word, at)) ? `"${name}" with an argument that comes out of the line itself` : undefined
  return { command: { name, head, words, text, harmless }, carried, doubts: reasons([...assigned, steered, carried ? carried.unclear : isHarmless(name, values) ? undefined : runsMore(name, values)]) }
}

const reasons = (all: readonly (string | undefined)[]): string[] => all.filter((reason) => reason !== undefined)
/** By custom a shell's own variables are in small letters; no program asks for one. */
const isOwn = (variable: string): boolean => /^[a-z][a-z\d_]*$/.test(variable) && !/_proxy$|^npm_/.test(variable)
/** A word with a space in it is not two words. */
export const quoted = (word: string): string => (word === "" || /\s/.test(word) ? `'${word}'` : word)

/** Can a word that comes out of the line itself be more to a program than a path or a text? */
function maySteer(name: string, rest: readonly Word[], { sure, fed, one, text }: Word, at: number): boolean {
  if (sure || !fed) return false
  const before = rest[at - 1]
  const isMessage = name === "git" && /^(commit|tag|merge|stash|notes)$/.test(rest[0]!.text) && before?.sure === true && /^(-[a-zA-Z]*m|--message)$/.test(before.text)
  const isPath = /^[\w.@][\w.@-]*\/|^\//.test(text) && !/^(sed|gsed|[gmn]?awk|make)$/.test(name)
  return !(one && (isMessage || isPath))
}
