/** One search of file contents: bounded in matches, bytes and line length. */
import { ripgrep } from "../lib/ripgrep.ts"

export interface Search {
  pattern: string
  /** A directory that no link can redirect; or an open file, searched as standard input. */
  directory?: string
  file?: number
  /** More for ripgrep, e.g. which .gitignore files count. */
  options?: readonly string[]
  glob?: string
  literal: boolean
  ignoreCase: boolean
  context: number
  matches: number
  deadline: number
  signal: AbortSignal
}
/** `partial`: why it ended before everything was searched. `error`: what ripgrep says about the pattern. */
export interface Found { lines: FoundLine[]; partial?: string; error?: string }
export interface FoundLine { path: string; number: number; text: string; match: boolean }

const MAX_BYTES = 1024 * 1024
const MAX_LINE = 400

export async function search(wanted: Search): Promise<Found> {
  const lines: FoundLine[] = []
  let matches = 0
  let broken = ""
  const { partial, failed, errors } = await ripgrep({
    ...wanted, arguments: argumentsOf(wanted), target: wanted.file === undefined ? "./" : "-", separator: "\n", bytes: MAX_BYTES,
    take(record) {
      // A name may hold line ends: what has no NUL is the beginning of one, or a remark.
      if (!record.includes("\0")) return void (broken = REMARK.test(record) ? "" : `${broken}${record}\n`)
      const line = parse(broken.replace(/^\n+/, "") + record, wanted.file !== undefined)
      broken = ""
      if (!line) return undefined
      if (line.match && ++matches > wanted.matches) return `stopped at ${wanted.matches} matches`
      lines.push(line)
    },
  })
  if (partial !== undefined || !failed) return { lines, ...(partial !== undefined && { partial }) }
  // An error, perhaps beside matches.
  return lines.length > 0 ? { lines, partial: "incomplete: some files could not be read" } : { lines, error: errors }
}

const REMARK = /: (WARNING: stopped searching binary file|binary file matches)/

function argumentsOf({ pattern, glob, literal, ignoreCase, context, options = [] }: Search): string[] {
  return [
    "--no-heading", "--with-filename", "--line-number",
    "--field-match-separator=:", "--field-context-separator=-", "--context-separator=", `--max-columns=${MAX_LINE}`, "--max-columns-preview", "--max-filesize=32M", "--regex-size-limit=16M", "--dfa-size-limit=64M",
    `--context=${context}`, ...(literal ? ["--fixed-strings"] : []), ...(ignoreCase ? ["--ignore-case"] : []), ...options,
    ...(glob === undefined ? [] : only(glob)),
    // Later globs win: these are never searched, whatever was asked for.
    "--glob=!.env", "--glob=!.env.*",
    `--regexp=${pattern}`,
  ]
}

/** A glob of ripgrep's overrides .gitignore; a type of files does not. So what is only about the name is asked for as a type. */
function only(glob: string): string[] {
  const name = glob.replace(/^(?:\*\*\/)+/, "")
  return name.startsWith("!") || name.includes("/") ? [`--glob=${glob}`] : [`--type-add=wanted:${name}`, "--type=wanted"]
}

/** `path NUL number separator text`: the separator says match or context. */
function parse(line: string, single: boolean): FoundLine | undefined {
  const end = line.indexOf("\0")
  const parts = /^(\d+)([:-])([\s\S]*)$/.exec(line.slice(end + 1))
  if (!parts) return undefined
  return { path: single ? "" : line.slice(0, end).replace(/^\.\//, ""), number: Number(parts[1]), text: parts[3]!.replace(/\r$/, ""), match: parts[2] === ":" }
}
