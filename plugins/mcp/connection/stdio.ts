/**
 * A server as a process: JSON-RPC, one message a line, over its stdin and stdout; stderr is its log. It has a group of its
 * own, starts only when somebody watches over it, and is gone with all its children when the connection ends, however.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process"
import { randomUUID } from "node:crypto"
import { statSync } from "node:fs"
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client"
import { messageOf } from "graft"
import type { Leash } from "../../lib/leash.ts"
import { LineReader } from "../../lib/lines.ts"
import { endFamily, familyOf, MARK, marked, type Family } from "../../lib/processes.ts"
import type { Log } from "./log.ts"

/** Bytes of one message. */
export const MOST_MESSAGE = 32 * 1024 * 1024
/** Milliseconds for what was written last to arrive; for a server to end by itself once its stdin is closed; and between TERM and KILL. */
const DRAIN = 150
const LEAVE = 300
const GRACE = 500

/** It is told to go on stdin, whose next line is the first message; a pipe that closes before is no word to go. */
const GO = 'read -r go || exit; exec "$@"'

/** What a server inherits. Keys and tokens are not among it: those that it needs are named in its `env`. */
const INHERITED = /^(PATH|HOME|USER|LOGNAME|SHELL|TERM|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|XDG_\w+|DISPLAY|WAYLAND_DISPLAY|DBUS_SESSION_BUS_ADDRESS|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS|(https?|no|all)_proxy)$/i

export interface Started { command: string; args: readonly string[]; env: Readonly<Record<string, string>>; directory: string }

export class StdioTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: Transport["onmessage"]
  readonly #what: Started
  readonly #log: Log
  readonly #leash: Leash
  readonly #lost: (why: string) => void
  #child: ChildProcessWithoutNullStreams | undefined
  #family: Family | undefined
  #free = () => {}
  readonly #over = Promise.withResolvers<void>()
  #ended: Promise<void> | undefined

  /** `lost` is told why, before the connection counts as closed. */
  constructor(what: Started, log: Log, leash: Leash, lost: (why: string) => void) {
    this.#what = what
    this.#log = log
    this.#leash = leash
    this.#lost = lost
  }

  async start(): Promise<void> {
    const { command, args, env, directory } = this.#what
    if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`its directory ${directory} is not there`)
    const mark = randomUUID()
    const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => name === MARK || INHERITED.test(name)))
    const child = spawn("/bin/sh", ["-c", GO, "graft", command, ...args], { cwd: directory, env: marked({ ...own, ...env }, mark), detached: true, stdio: "pipe", windowsHide: true })
    this.#child = child
    const reader = new LineReader(MOST_MESSAGE)
    child.stdout.on("data", (chunk: Buffer) => this.#read(reader, chunk))
    child.stderr.on("data", (chunk: Buffer) => this.#log.add(chunk))
    // A pipe that breaks is told of by the exit.
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.on("error", () => {})
    child.once("error", (error) => void this.#end(`it could not be started: ${error.message}`))
    child.once("exit", (code, signal) => {
      const closed = new Promise((resolve) => child.once("close", resolve))
      // What it wrote last is read first; its children may hold its pipes for ever.
      void Promise.race([closed, new Promise((resolve) => setTimeout(resolve, DRAIN))]).then(() => this.#end(`it ended (${signal ?? `exit code ${code}`})${this.#lastWords()}`))
    })
    if (child.pid === undefined) return
    this.#family = familyOf(child.pid, mark)
    this.#free = this.#leash.hold(child.pid, mark)
    child.stdin.write("\n")
  }

  #lastWords(): string {
    const last = this.#log.last()
    return last ? `: ${last.trim().slice(0, 200)}` : ""
  }

  #read(reader: LineReader, chunk: Buffer): void {
    if (this.#ended) return
    try {
      for (const line of reader.push(chunk)) this.#hear(line)
    } catch {
      void this.#end(`it sent more than ${MOST_MESSAGE / 1024 / 1024} MiB in one message`)
    }
  }

  /** What is no message was printed by mistake: it belongs to the log. */
  #hear(line: string): void {
    if (line.trim() === "") return
    let message: unknown
    try {
      message = JSON.parse(line)
    } catch {
      return this.#log.add(Buffer.from(`${line.slice(0, 1_000)}\n`))
    }
    if (typeof message !== "object" || message === null) return this.#log.add(Buffer.from(`${line.slice(0, 1_000)}\n`))
    try {
      this.onmessage?.(message as JSONRPCMessage)
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(messageOf(error)))
    }
  }

  send(message: JSONRPCMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#child || this.#ended) return reject(new Error("the server is not running"))
      this.#child.stdin.write(`${JSON.stringify(message)}\n`, (error) => {
        if (!error) return resolve()
        // A pipe that broke is no reason; that follows.
        void Promise.race([this.#over.promise, new Promise((late) => setTimeout(late, 2 * DRAIN))]).then(() => reject(error))
      })
    })
  }

  close(): Promise<void> { return this.#end() }

  /** Once: its end is told at once, and the promise ends when nothing of it runs any more. Who closed it needs no reason. */
  #end(why?: string): Promise<void> {
    return (this.#ended ??= (async () => {
      if (why !== undefined) this.#lost(why)
      this.onclose?.()
      this.#over.resolve()
      const child = this.#child
      if (!child) return
      child.stdin.end()
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
        await Promise.race([new Promise((resolve) => child.once("exit", resolve)), new Promise((resolve) => setTimeout(resolve, LEAVE))])
      }
      if (this.#family) await endFamily(this.#family, GRACE)
      this.#free()
      for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy()
    })())
  }
}
