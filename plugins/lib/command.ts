/**
 * One shell command that always comes back: no stdin, its own process group, done when the shell itself exits and a
 * short drain has passed, whatever its children hold open; killed with all its children at the deadline, at the
 * signal, when it floods (demand.md e1), and when this process dies.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process"
import { randomUUID } from "node:crypto"
import type { Readable } from "node:stream"
import { messageOf } from "graft"
import { Collector } from "./collector.ts"
import type { Leash } from "./leash.ts"
import { endFamily, familyOf, marked } from "./processes.ts"
import { FLOOD, scriptOf, SHELL } from "./shell.ts"

/** `start`: the process that runs it, where that is not just the shell. */
export interface Command { command: string; start?: { program: string; args: readonly string[] }; directory: string; env: Record<string, string | undefined>; deadline: number; signal: AbortSignal; leash: Leash; progress(output: string): void }
export type Ending = { kind: "exit"; code: number } | { kind: "signal"; signal: string } | { kind: "deadline" | "interrupted" | "flood" }
/** `left`: processes that were still there when the shell was done, and were ended. `told`: what it wrote to descriptor 3. */
export interface Finished { output: string; ending: Ending; left: number; bytes: number; told: string }

const DRAIN = 150
const GRACE = 250
const PROGRESS = 100
const MOST_TOLD = 8_192

/** It starts when it is told to, and that is after somebody watches over it; a pipe that closes before is no word to start. */
const GO = 'read -r go || exit; exec "$@" </dev/null'

/** `bash.start`: it could not be started; the directory may be gone. */
export class StartError extends Error {
  readonly code = "bash.start"
  constructor(directory: string, cause: unknown) { super(`the command could not be started in ${directory}: ${messageOf(cause)}`, { cause }) }
}

export async function run({ command, start: given, directory, env, deadline, signal, leash, progress }: Command): Promise<Finished> {
  const mark = randomUUID()
  const child = start(directory, given ?? { program: SHELL, args: ["-c", scriptOf(command)] }, marked(env, mark))
  const family = child.pid === undefined ? undefined : familyOf(child.pid, mark)
  const collector = new Collector()
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Ending>()
  const exited = new Promise<Ending>((resolve, reject) => {
    child.once("error", (error) => reject(new StartError(directory, error)))
    child.once("exit", (code, by) => resolve(by ? { kind: "signal", signal: by } : { kind: "exit", code: code ?? 0 }))
  })
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()))
  const free = child.pid === undefined ? undefined : leash.hold(child.pid, mark)
  child.stdin.on("error", () => {}).end("\n")

  let shown = 0
  const collect = (chunk: Buffer) => {
    collector.add(chunk)
    if (collector.total > FLOOD) return stop({ kind: "flood" })
    if (performance.now() - shown < PROGRESS) return
    shown = performance.now()
    progress(collector.recent())
  }
  child.stdout.on("data", collect)
  child.stderr.on("data", collect)
  let told = ""
  const aside = child.stdio[3] as Readable
  aside.on("data", (chunk: Buffer) => { if (told.length < MOST_TOLD) told += chunk.toString() })
  const interrupted = () => stop({ kind: "interrupted" })
  signal.addEventListener("abort", interrupted, { once: true })
  if (signal.aborted) interrupted()
  const timer = setTimeout(() => stop({ kind: "deadline" }), deadline)

  try {
    const ending = await Promise.race([exited, stopped])
    if (ending.kind === "exit" || ending.kind === "signal") await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, DRAIN))])
    const left = family ? await endFamily(family, GRACE) : 0
    return { output: collector.text(), ending, left: ending.kind === "exit" || ending.kind === "signal" ? left : 0, bytes: collector.total, told }
  } finally {
    free?.()
    clearTimeout(timer)
    signal.removeEventListener("abort", interrupted)
    child.stdout.destroy()
    child.stderr.destroy()
    aside.destroy()
  }
}

/** What is wrong at once (too long, with its environment) and what turns out later are one error. */
function start(directory: string, { program, args }: { program: string; args: readonly string[] }, env: Record<string, string | undefined>): ChildProcessWithoutNullStreams {
  try {
    return spawn("/bin/sh", ["-c", GO, "sh", program, ...args], { cwd: directory, env, detached: true, stdio: ["pipe", "pipe", "pipe", "pipe"], windowsHide: true }) as ChildProcessWithoutNullStreams
  } catch (error) {
    throw new StartError(directory, error)
  }
}

/** What a reader of its output has to know of its end; nothing, where it just went well, or where who interrupted says so. */
export function verdictOf({ ending, bytes }: Pick<Finished, "ending" | "bytes">, seconds: number, most: string): string {
  switch (ending.kind) {
    case "exit": return ending.code === 0 ? "" : `exit code ${ending.code}`
    case "signal": return `ended by ${ending.signal}`
    case "deadline": return `stopped: it ran longer than ${seconds} s${most}`
    case "interrupted": return ""
    case "flood": return `stopped: it wrote more than ${bytes} bytes; send the output to a file, or filter it`
    default: return ending satisfies never
  }
}
