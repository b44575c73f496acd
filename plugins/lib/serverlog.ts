/** What a server wrote to stderr and what became of it: the last lines, in bounded memory, over all its lives. */
import { StringDecoder } from "node:string_decoder"
import { readable } from "./collector.ts"

const MOST_LINES = 400
/** Characters of one line. */
const MOST_LINE = 1_000

export class ServerLog {
  #lines: string[] = []
  #open = ""
  #decoder = new StringDecoder("utf8")

  /** Bytes as they come; a line without an end is cut. */
  add(chunk: Buffer): void {
    const [first, ...rest] = this.#decoder.write(chunk).split("\n") as [string, ...string[]]
    this.#open = (this.#open + first).slice(0, MOST_LINE)
    for (const part of rest.slice(-MOST_LINES - 1)) {
      this.#put(this.#open)
      this.#open = part.slice(0, MOST_LINE)
    }
  }

  /** A line of Graft's own. */
  say(line: string): void {
    this.#end()
    this.#put(`[graft] ${new Date().toISOString()} ${line}`)
  }

  lines(): string[] { return [...this.#lines, ...(this.#open ? [readable(this.#open)] : [])] }

  /** What it said last by itself. */
  last(): string | undefined {
    return this.lines().findLast((line) => line.trim() !== "" && !line.startsWith("[graft] "))
  }

  #end(): void {
    if (this.#open) this.#put(this.#open)
    this.#open = ""
  }

  #put(line: string): void {
    this.#lines.push(readable(line.slice(0, MOST_LINE)).trimEnd())
    if (this.#lines.length > 2 * MOST_LINES) this.#lines = this.#lines.slice(-MOST_LINES)
  }
}
