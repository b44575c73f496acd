/**
 * A program that is spoken to over stdin and stdout for as long as it is needed. It has a group of its own, starts only when
 * somebody watches over it, and is gone with all its children when it is ended, fails, or this process dies.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process"
import { randomUUID } from "node:crypto"
import { statSync } from "node:fs"
import type { Leash } from "./leash.ts"
import { endFamily, familyOf, marked, type Family } from "./processes.ts"

export interface Program { command: string; args: readonly string[]; env: Readonly<Record<string, string | undefined>>; directory: string }

/** Milliseconds for what was written last to arrive; for it to end by itself once its stdin is closed; and between TERM and KILL. */
const DRAIN = 150
const LEAVE = 300
const GRACE = 500

/** It is told to go on stdin, whose next byte is the first of its own; a pipe that closes before is no word to go. */
const GO = 'read -r go || exit; exec "$@"'

export class Companion {
  readonly stdin: ChildProcessWithoutNullStreams["stdin"]
  readonly stdout: ChildProcessWithoutNullStreams["stdout"]
  readonly stderr: ChildProcessWithoutNullStreams["stderr"]
  /** How it ended by itself, when what it wrote last has been read; 0 is an exit code, anything else says more. */
  readonly gone: Promise<number | string>
  readonly #child: ChildProcessWithoutNullStreams
  readonly #family: Family | undefined
  readonly #free: () => void
  #ended: Promise<void> | undefined

  constructor({ command, args, env, directory }: Program, leash: Leash) {
    if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`its directory ${directory} is not there`)
    const mark = randomUUID()
    const child = spawn("/bin/sh", ["-c", GO, "graft", command, ...args], { cwd: directory, env: marked(env, mark), detached: true, stdio: "pipe", windowsHide: true })
    this.#child = child
    ;({ stdin: this.stdin, stdout: this.stdout, stderr: this.stderr } = child)
    // A pipe that breaks is told of by the exit.
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.on("error", () => {})
    const closed = new Promise((resolve) => child.once("close", resolve))
    this.gone = new Promise((resolve) => {
      child.once("error", (error) => resolve(`it could not be started: ${error.message}`))
      // Its children may hold its pipes for ever.
      child.once("exit", (code, signal) => void Promise.race([closed, new Promise((late) => setTimeout(late, DRAIN))]).then(() => resolve(signal ?? code ?? 0)))
    })
    this.#family = child.pid === undefined ? undefined : familyOf(child.pid, mark)
    this.#free = child.pid === undefined ? () => {} : leash.hold(child.pid, mark)
    child.stdin.write("\n")
  }

  /** Ends when nothing of it runs any more. `leave`: milliseconds that it may take to end by itself. */
  end({ leave = LEAVE } = {}): Promise<void> {
    return (this.#ended ??= (async () => {
      const child = this.#child
      child.stdin.end()
      if (leave > 0 && child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
        await Promise.race([new Promise((resolve) => child.once("exit", resolve)), new Promise((resolve) => setTimeout(resolve, leave))])
      }
      if (this.#family) await endFamily(this.#family, GRACE)
      this.#free()
      for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy()
    })())
  }
}
