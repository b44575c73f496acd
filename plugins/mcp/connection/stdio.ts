/** A server as a process: JSON-RPC, one message a line, over its stdin and stdout; stderr is its log. */
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client"
import { messageOf } from "graft"
import { Companion } from "../../lib/companion.ts"
import { inherited } from "../../lib/inherited.ts"
import type { Leash } from "../../lib/leash.ts"
import { LineReader } from "../../lib/lines.ts"
import type { ServerLog } from "../../lib/serverlog.ts"

/** Bytes of one message. */
export const MOST_MESSAGE = 32 * 1024 * 1024
/** Milliseconds that the reason of a broken pipe may take to come. */
const REASON = 300

export interface Started { command: string; args: readonly string[]; env: Readonly<Record<string, string>>; directory: string }

export class StdioTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: Transport["onmessage"]
  readonly #what: Started
  readonly #log: ServerLog
  readonly #leash: Leash
  readonly #lost: (why: string) => void
  #companion: Companion | undefined
  readonly #over = Promise.withResolvers<void>()
  #ended: Promise<void> | undefined

  /** `lost` is told why, before the connection counts as closed. */
  constructor(what: Started, log: ServerLog, leash: Leash, lost: (why: string) => void) {
    this.#what = what
    this.#log = log
    this.#leash = leash
    this.#lost = lost
  }

  async start(): Promise<void> {
    const companion = new Companion({ ...this.#what, env: { ...inherited(), ...this.#what.env } }, this.#leash)
    this.#companion = companion
    const reader = new LineReader(MOST_MESSAGE)
    companion.stdout.on("data", (chunk: Buffer) => this.#read(reader, chunk))
    companion.stderr.on("data", (chunk: Buffer) => this.#log.add(chunk))
    void companion.gone.then((how) => this.#end(typeof how === "number" ? `it ended (exit code ${how})${this.#lastWords()}` : how.startsWith("SIG") ? `it ended (${how})${this.#lastWords()}` : how))
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
      if (!this.#companion || this.#ended) return reject(new Error("the server is not running"))
      this.#companion.stdin.write(`${JSON.stringify(message)}\n`, (error) => {
        if (!error) return resolve()
        // A pipe that broke is no reason; that follows.
        void Promise.race([this.#over.promise, new Promise((late) => setTimeout(late, REASON))]).then(() => reject(error))
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
      await this.#companion?.end()
    })())
  }
}
