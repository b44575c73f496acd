/**
 * One shell command that always comes back: no stdin, its own process group, done when the shell itself exits and a
 * short drain has passed, whatever its children hold open; killed with all its children at the deadline, at the
 * signal, and when it floods (demand.md e1).
 */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { existsSync } from "node:fs"
import { messageOf } from "graft"
import { Collector } from "./collector.ts"
import { endFamily, familyOf, MARK } from "./processes.ts"

export interface Command { command: string; directory: string; env: Record<string, string | undefined>; deadline: number; signal: AbortSignal; progress(output: string): void }
export type Ending = { kind: "exit"; code: number } | { kind: "signal"; signal: string } | { kind: "deadline" | "interrupted" | "flood" }
/** `left`: processes that were still there when the shell was done, and were ended. */
export interface Finished { output: string; ending: Ending; left: number; bytes: number }

const DRAIN = 150
const GRACE = 250
const MAX_OUTPUT = 64 * 1024 * 1024
const PROGRESS = 100

const shell = ["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"].find((path) => existsSync(path)) ?? "/bin/sh"

/** `bash.start`: it could not be started; the directory may be gone. */
export class StartError extends Error {
  readonly code = "bash.start"
  constructor(directory: string, cause: unknown) { super(`the command could not be started in ${directory}: ${messageOf(cause)}`, { cause }) }
}

export async function run({ command, directory, env, deadline, signal, progress }: Command): Promise<Finished> {
  const mark = randomUUID()
  // One pipe for both streams keeps their order; the second holds only what the shell says of a line it cannot parse.
  const child = start(directory, `exec 2>&1; ${command}`, { ...env, [MARK]: env[MARK] ? `${env[MARK]},${mark}` : mark })
  const family = child.pid === undefined ? undefined : familyOf(child.pid, mark)
  const collector = new Collector()
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Ending>()
  const exited = new Promise<Ending>((resolve, reject) => {
    child.once("error", (error) => reject(new StartError(directory, error)))
    child.once("exit", (code, by) => resolve(by ? { kind: "signal", signal: by } : { kind: "exit", code: code ?? 0 }))
  })
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()))

  let told = 0
  const collect = (chunk: Buffer) => {
    collector.add(chunk)
    if (collector.total > MAX_OUTPUT) return stop({ kind: "flood" })
    if (performance.now() - told < PROGRESS) return
    told = performance.now()
    progress(collector.recent())
  }
  child.stdout.on("data", collect)
  child.stderr.on("data", collect)
  const interrupted = () => stop({ kind: "interrupted" })
  signal.addEventListener("abort", interrupted, { once: true })
  if (signal.aborted) interrupted()
  const timer = setTimeout(() => stop({ kind: "deadline" }), deadline)

  try {
    const ending = await Promise.race([exited, stopped])
    if (ending.kind === "exit" || ending.kind === "signal") await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, DRAIN))])
    const left = family ? await endFamily(family, GRACE) : 0
    return { output: collector.text(), ending, left: ending.kind === "exit" || ending.kind === "signal" ? left : 0, bytes: collector.total }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener("abort", interrupted)
    child.stdout.destroy()
    child.stderr.destroy()
  }
}

/** What is wrong at once (too long, with its environment) and what turns out later are one error. */
function start(directory: string, script: string, env: Record<string, string | undefined>) {
  try {
    return spawn(shell, ["-c", script], { cwd: directory, env, detached: true, stdio: ["ignore", "pipe", "pipe"], windowsHide: true })
  } catch (error) {
    throw new StartError(directory, error)
  }
}
