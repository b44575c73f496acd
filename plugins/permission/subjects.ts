/** What a shell line does, as things that rules are about: its commands, in every dress, and the files that it reads and writes. Pure. */
import { resolve } from "node:path"
import { inside } from "../lib/confine.ts"
import type { CommandLine } from "./command.ts"
import type { PermissionAsk } from "./contract.ts"
import { exactly } from "./pattern.ts"
import { SHELL, WRITE, type Subject } from "./rules.ts"
import { quoted, type SimpleCommand } from "./simple.ts"
import type { Word } from "./word.ts"

/** Programs that change the files they are given: the last one, or all. */
const CHANGES_LAST = new Set(["cp", "ln", "install", "rsync"])
const CHANGES_ALL = new Set(["rm", "rmdir", "unlink", "shred", "mv", "touch", "mkdir", "truncate", "tee", "chmod", "chown", "chgrp"])

const MOST_DIRECTORIES = 8

/** `directory`: where it starts. `realOf`: where a path really leads. */
export interface Place { location: string; directory: string; realOf(path: string): string }
export const placeOf = ({ directory }: PermissionAsk, location: string, realOf: (path: string) => string): Place => ({ location, directory: directory ?? location, realOf })

/** `needed`: a rule must allow it, else it only must not be forbidden. */
export interface Part extends Subject { needed: boolean }

export function partsOf(line: CommandLine, place: Place): Part[] {
  const many = line.commands.filter(({ harmless }) => !harmless).length > 1
  const places = directoriesOf(line, place.directory).map((directory) => ({ ...place, directory }))
  return [
    ...line.commands.map((command) => ({ ...subjectOf(command), needed: !command.harmless && !staysInside(command, place), ...(many && { reason: `because of: ${command.text}` }) })),
    ...line.writes.map((path) => fileOf(WRITE, path, place, true)),
    ...line.reads.map((path) => fileOf("read", path, place, true)),
    ...places.flatMap((each) => line.commands.flatMap((command) => mentionsOf(command, each))),
  ]
}

/** Where it starts, and where it may stand later: what it names is looked for in all of them. */
function directoriesOf({ commands }: CommandLine, directory: string): string[] {
  return commands.reduce((all, command) => {
    const target = targetOf(command)
    return target === undefined ? all : [...all, resolve(all.at(-1)!, target)].slice(-MOST_DIRECTORIES)
  }, [directory])
}

/** The paths whose real places decide. */
export function pathsOf(line: CommandLine, directory: string): string[] {
  const named = [...line.writes, ...line.reads, ...line.commands.flatMap((command) => filesIn(command))]
  return [...new Set(directoriesOf(line, directory).flatMap((each) => named.map((path) => resolve(each, path))))]
}

function fileOf(action: string, path: string, { directory, realOf }: Place, needed: boolean): Part {
  const real = realOf(resolve(directory, path))
  return { action, resource: real, needed, named: !needed, reason: `it ${needed ? (action === WRITE ? "writes" : "reads") : "names"} ${real}` }
}

/** `cd` to a place in the project is no more than a way of writing the rest. */
const staysInside = (command: SimpleCommand, { location, directory, realOf }: Place): boolean => {
  const target = targetOf(command)
  return target !== undefined && inside(location, realOf(resolve(directory, target)))
}
const targetOf = ({ head, words }: SimpleCommand): string | undefined => (head === 0 && words[0]!.text === "cd" && words.length === 2 && words[1]!.sure && !/^[-~]|^$/.test(words[1]!.text) ? words[1]!.text : undefined)

/** What a command names may be a file that a rule protects by name. */
function mentionsOf(command: SimpleCommand, place: Place): Part[] {
  const files = filesIn(command)
  const written = CHANGES_ALL.has(command.name) ? files : CHANGES_LAST.has(command.name) ? files.slice(-1) : []
  return [...files.map((path) => fileOf("read", path, place, false)), ...written.map((path) => fileOf(WRITE, path, place, false)), ...command.words.flatMap((word) => hiddenFile(word, place))]
}

const filesIn = ({ head, words }: SimpleCommand): string[] => (head < 0 ? [] : words.slice(head + 1)).flatMap(({ text, sure }) => {
  const path = text.replace(/^-[^=]*=|^@/, "")
  return sure && path !== "" && !path.startsWith("-") && path.length < 1_024 && !/\s|:\/\//.test(path) ? [path] : []
})

/** Patterns of file names find hidden files only where they say so. */
function hiddenFile({ text, sure }: Word, { directory }: Place): Part[] {
  if (sure || !/(^|[/=@])\.[^/]*[*?[{$]/.test(text)) return []
  const path = resolve(directory, text.replace(/^-[^=]*=|^@/, ""))
  return [{ action: "read", resource: path, needed: false, named: true, loose: [path.split(/\*|\?|\[[^\]]*\]|\$\{[^}]*\}|\$\w+|\{[^}]*\}/).map(exactly).join("*")], reason: `it may name ${path}` }]
}

/** A command, without its quotes, its assignments, its directory, and the options before its verb ("git -C . push"). */
function subjectOf({ name, head, words, text }: SimpleCommand): Subject {
  const bare = words.slice(Math.max(head, 0))
  const rest = bare.slice(1)
  const dresses = [words, bare]
  const program: Word = { text: name, sure: bare[0]?.sure ?? true, one: true, fed: false }
  for (let at = 0; at <= rest.length; at++) if (at === 0 || rest[at - 1]!.text.startsWith("-") || (at > 1 && at < rest.length && rest[at - 2]!.text.startsWith("-"))) dresses.push([program, ...rest.slice(at)])
    else break
  const unsure = words.some((word) => !word.sure && word.sets === undefined)
  return { action: SHELL, resource: text, also: [words.map((word) => word.text).join(" "), ...dresses.map((dress) => dress.map((word) => word.text).join(" "))], ...(unsure && { loose: dresses.slice(1).map(looseOf) }) }
}

/** The pattern of all that the words may turn out to be. */
const looseOf = (words: readonly Word[]): string => words.reduce((pattern, word, at) => {
  if (!word.sure) return `${pattern.replace(/ $/, "")}*`
  return `${pattern}${at === 0 || !words[at - 1]!.sure ? "" : " "}${exactly(quoted(word.text))}`
}, "")
