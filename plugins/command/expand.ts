/**
 * A command and its arguments as a prompt. The template is read once: what an argument, a file or a command's output
 * brings in is text, and is not read as template again.
 */
import { messageOf, type Graft } from "graft"
import { inside, locate } from "../lib/confine.ts"
import { run } from "../lib/command.ts"
import type { Leash } from "../lib/leash.ts"
import { confined, scriptOf, UNATTENDED } from "../lib/shell.ts"
import { readTextFile } from "../lib/textfile.ts"
import type { Command, Commands } from "./contract.ts"

const MOST_OUTPUT = 10_000
const MOST_FILE = 50_000
const SECONDS = 60

type Context = Parameters<Commands["expand"]>[1]

/** `command.denied`, `command.failed`. */
export class CommandError extends Error {
  readonly code: "command.denied" | "command.failed"
  readonly rule: string | undefined
  constructor(code: CommandError["code"], message: string, rule?: string) {
    super(message)
    this.code = code
    this.rule = rule
  }
}

/** $ARGUMENTS, $1 … $9, !`a shell line`, @a/file. */
const TEMPLATE = /\$ARGUMENTS\b|\$([1-9])(?!\d)|!`([^`\n]+)`|(?<![\w@])@([\w./~-]*[\w/~-])/g

export async function expand(graft: Graft, leash: Leash, commands: readonly Command[], text: string, context: Context): Promise<string | undefined> {
  const [, name, rest = ""] = /^\/([\w./-]+)(?:\s+([\s\S]*))?$/.exec(text.trim()) ?? []
  const command = commands.find((each) => each.name === name)
  if (!command) return undefined
  const whole = rest.trim()
  const words = wordsOf(whole)
  const files: string[] = []
  let taken = false
  let prompt = ""
  let at = 0
  for (const match of command.body.matchAll(TEMPLATE)) {
    const [token, number, line, path] = match
    prompt += command.body.slice(at, match.index)
    at = match.index + token.length
    if (line !== undefined) prompt += await outputOf(graft, leash, command, filled(line, whole, words), context)
    else if (path !== undefined) {
      const content = await contentOf(graft, command, path, context)
      if (content !== undefined) files.push(`${path}:\n\n${content}`)
      prompt += token
    } else prompt += number === undefined ? whole : (words[Number(number) - 1] ?? "")
    if (path === undefined && (line === undefined || /\$ARGUMENTS\b|\$[1-9]/.test(line))) taken = true
  }
  prompt += command.body.slice(at)
  return [prompt, ...(whole && !taken ? [whole] : []), ...files].join("\n\n")
}

/** Each argument is one word to the shell, whatever is in it. */
const filled = (line: string, whole: string, words: readonly string[]): string =>
  line.replace(/\$ARGUMENTS\b|\$([1-9])(?!\d)/g, (_, number?: string) => (number === undefined ? words.map(quoted).join(" ") || quoted(whole) : quoted(words[Number(number) - 1] ?? "")))
const quoted = (word: string): string => (word === "" ? "''" : /^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/** As a shell splits them: quotes hold words together. */
export const wordsOf = (text: string): string[] =>
  [...text.matchAll(/(?:[^\s"']+|"(?:[^"\\]|\\.)*"|'[^']*')+/g)].map(([word]) => word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'/g, (_, double?: string, single?: string) => (double === undefined ? single! : double.replace(/\\(.)/g, "$1"))))

async function outputOf(graft: Graft, leash: Leash, { name, file }: Command, line: string, { directory, session, signal = new AbortController().signal }: Context): Promise<string> {
  const answer = await graft.permission.request({ action: "bash", resource: line, directory, detail: `a line of the command /${name} (${file})`, ...(session && { session }) }, { signal })
  if (!answer.allowed) {
    const rule = answer.verdict.suggest ?? `bash:${line}`
    throw new CommandError("command.denied", `/${name} runs "${line}", which ${answer.because === "unanswered" ? `needs permission: --allow '${rule}'` : "was not allowed"}; nothing was sent`, rule)
  }
  try {
    const start = await confined(graft.all("wall"), scriptOf(line), directory)
    const { output, ending } = await run({ command: line, start, directory, env: { ...process.env, ...UNATTENDED }, deadline: SECONDS * 1_000, signal, leash, progress() {} })
    const shown = output.trimEnd().slice(0, MOST_OUTPUT)
    const note = ending.kind === "exit" ? (ending.code === 0 ? "" : `\n(exit code ${ending.code})`) : `\n(${ending.kind})`
    return `${shown}${output.length > MOST_OUTPUT ? "\n…" : ""}${note}`
  } catch (error) {
    throw new CommandError("command.failed", `/${name} could not run "${line}": ${messageOf(error)}`)
  }
}

/** A file of the project; what is elsewhere, or no text, stays a word. */
/** What lies in the project, as far as it may be read: a file of secrets asks here as everywhere. */
async function contentOf(graft: Graft, { name, file: from }: Command, path: string, { directory, session, signal = new AbortController().signal }: Context): Promise<string | undefined> {
  try {
    const { real } = await locate(path, directory)
    if (!inside(graft.location!, real)) return undefined
    const { allowed } = await graft.permission.request({ action: "read", resource: real, detail: `a file of the command /${name} (${from})`, ...(session && { session }) }, { signal })
    if (!allowed) return undefined
    const file = await readTextFile(real)
    return file && (file.text.length > MOST_FILE ? `${file.text.slice(0, MOST_FILE)}\n…` : file.text)
  } catch {
    return undefined
  }
}
