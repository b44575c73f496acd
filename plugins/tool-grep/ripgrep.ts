/** One run of ripgrep: bounded in time, matches, bytes and line length, and killed the moment a bound is reached. */
import { spawn } from "node:child_process"
import { setPriority } from "node:os"
import { StringDecoder } from "node:string_decoder"

export interface Search {
  pattern: string
  /** A directory that no link can redirect; or an open file, searched as standard input. */
  directory?: string
  file?: number
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
const MAX_ERROR = 4_096
/** A line without an end is given up beyond this. */
const MAX_FRAME = 64 * 1024

export async function search(wanted: Search): Promise<Found> {
  const { rgPath } = await import("@vscode/ripgrep")
  const child = spawn(rgPath, argumentsOf(wanted), { cwd: wanted.directory, stdio: [wanted.file ?? "ignore", "pipe", "pipe"], windowsHide: true })
  const found: Found = { lines: [] }
  let matches = 0
  let bytes = 0
  let errors = ""
  let rest = ""
  const stop = (why: string) => {
    found.partial ??= why
    child.kill("SIGKILL")
  }
  const interrupted = () => stop("interrupted")
  wanted.signal.addEventListener("abort", interrupted, { once: true })
  if (wanted.signal.aborted) interrupted()
  const timer = setTimeout(() => stop(`stopped after ${wanted.deadline / 1000} s`), wanted.deadline)
  const decoder = new StringDecoder("utf8")

  child.stdout!.on("data", (chunk: Buffer) => {
    if (found.partial) return
    bytes += chunk.length
    rest += decoder.write(chunk)
    const lines = rest.split("\n")
    rest = lines.pop()!
    for (const line of lines) {
      const parsed = parse(line, wanted.file !== undefined)
      if (!parsed) continue
      if (parsed.match && ++matches > wanted.matches) return stop(`stopped at ${wanted.matches} matches`)
      found.lines.push(parsed)
    }
    if (bytes > MAX_BYTES || rest.length > MAX_FRAME) stop("stopped: too much output")
  })
  child.stderr!.on("data", (chunk: Buffer) => { if (errors.length < MAX_ERROR) errors += chunk.toString() })

  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (error) => reject(Object.assign(new Error(`ripgrep could not be started: ${error.message}`), { code: "grep.start" })))
    child.once("spawn", () => { try { setPriority(child.pid!, 10) } catch { /* it ended already, or the system refuses: a courtesy only */ } })
    child.once("close", resolve)
  }).finally(() => {
    clearTimeout(timer)
    wanted.signal.removeEventListener("abort", interrupted)
  })
  // 1: nothing matched; 2: an error, perhaps beside matches.
  if (code !== 2 || found.partial) return found
  return found.lines.length > 0 ? { ...found, partial: "incomplete: some files could not be read" } : { ...found, error: errors.trim().slice(0, MAX_ERROR) }
}

function argumentsOf({ pattern, glob, literal, ignoreCase, context, file }: Search): string[] {
  return [
    "--no-config", "--no-follow", "--hidden", "--color=never", "--no-heading", "--with-filename", "--line-number", "--null", "--sort=none", "--no-messages",
    "--field-match-separator=:", "--field-context-separator=-", "--context-separator=", `--max-columns=${MAX_LINE}`, "--max-columns-preview", "--max-filesize=32M", "--regex-size-limit=16M", "--dfa-size-limit=64M",
    `--context=${context}`, ...(literal ? ["--fixed-strings"] : []), ...(ignoreCase ? ["--ignore-case"] : []),
    ...(glob === undefined ? [] : [`--glob=${glob}`]),
    // Later globs win: these are never searched, whatever was asked for.
    ...["!.git", "!node_modules", "!.env", "!.env.*"].map((never) => `--glob=${never}`),
    "--regexp", pattern, "--", file === undefined ? "./" : "-",
  ]
}

/** `path NUL number separator text`: the separator says match or context. */
function parse(line: string, single: boolean): FoundLine | undefined {
  const end = line.indexOf("\0")
  const parts = end < 0 ? null : /^(\d+)([:-])([\s\S]*)$/.exec(line.slice(end + 1))
  if (!parts) return undefined
  return { path: single ? "" : line.slice(0, end).replace(/^\.\//, ""), number: Number(parts[1]), text: parts[3]!.replace(/\r$/, ""), match: parts[2] === ":" }
}
