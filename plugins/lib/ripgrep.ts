/** ripgrep, always coming back: bounded in time and output, and killed the moment a bound is reached. It follows no link, and starts inside the very directory that was judged. */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { setPriority } from "node:os"
import { join } from "node:path"
import { StringDecoder } from "node:string_decoder"

export interface Run {
  arguments: readonly string[]
  /** What is searched: the directory, or what comes in. */
  target: "./" | "-"
  /** A directory that no link can redirect; or an open file, searched as standard input. */
  directory?: string
  file?: number
  /** What ends a record of the output. */
  separator: "\n" | "\0"
  /** Takes one record; a text says why that is enough. */
  take(record: string): string | void
  /** Milliseconds, and bytes of output. */
  deadline: number
  bytes: number
  signal: AbortSignal
}
/** `partial`: why it ended before everything was searched. `errors`: what it says went wrong. */
export interface Ran { partial?: string; failed: boolean; errors: string }

const MAX_ERROR = 4_096
/** A record without an end is given up beyond this. */
const MAX_RECORD = 64 * 1024

/** What holds for every search: hidden files too, but no links, no .git, no node_modules, and nothing that a configuration of its own says. */
const ALWAYS = ["--no-config", "--no-follow", "--hidden", "--color=never", "--null", "--sort=none", "--no-messages"]
const NEVER = ["--glob=!.git", "--glob=!node_modules"]

export async function ripgrep(run: Run): Promise<Ran> {
  const { rgPath } = await import("@vscode/ripgrep")
  // Later globs win: what is never searched is named last.
  const child = spawn(rgPath, [...ALWAYS, ...run.arguments, ...NEVER, "--", run.target], { cwd: run.directory, stdio: [run.file ?? "ignore", "pipe", "pipe"], windowsHide: true })
  let partial: string | undefined
  let bytes = 0
  let errors = ""
  let rest = ""
  const stop = (why: string) => {
    partial ??= why
    child.kill("SIGKILL")
  }
  const interrupted = () => stop("interrupted")
  run.signal.addEventListener("abort", interrupted, { once: true })
  if (run.signal.aborted) interrupted()
  const timer = setTimeout(() => stop(`stopped after ${run.deadline / 1000} s`), run.deadline)
  const decoder = new StringDecoder("utf8")

  child.stdout!.on("data", (chunk: Buffer) => {
    if (partial !== undefined) return
    bytes += chunk.length
    const records = (rest + decoder.write(chunk)).split(run.separator)
    rest = records.pop()!
    for (const record of records) {
      const enough = run.take(record)
      if (typeof enough === "string") return stop(enough)
    }
    if (bytes > run.bytes || rest.length > MAX_RECORD) stop("stopped: too much output")
  })
  child.stderr!.on("data", (chunk: Buffer) => { if (errors.length < MAX_ERROR) errors += chunk.toString() })

  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", (error) => reject(Object.assign(new Error(`ripgrep could not be started: ${error.message}`), { code: "ripgrep.start" })))
    child.once("spawn", () => { try { setPriority(child.pid!, 10) } catch { /* it ended already, or the system refuses: a courtesy only */ } })
    child.once("close", resolve)
  }).finally(() => {
    clearTimeout(timer)
    run.signal.removeEventListener("abort", interrupted)
  })
  return { ...(partial !== undefined && { partial }), failed: code === 2, errors: errors.trim().slice(0, MAX_ERROR) }
}

/** The .gitignore files of a project count from its top down, whether or not git keeps it. */
export const ignoring = (location: string, root: string): string[] =>
  existsSync(join(location, ".git")) ? [] : ["--no-require-git", ...(root === location ? ["--no-ignore-parent"] : [])]
