/** What a command wrote: beginning and end in bounded memory, the middle counted and dropped. */
import { isUtf8 } from "node:buffer"
import { stripVTControlCharacters } from "node:util"

const HEAD = 1024 * 1024
const TAIL = 1024 * 1024
/** Bytes by which text is told from what is none. */
const SAMPLE = 8_192

export class Collector {
  readonly #head: Buffer[] = []
  #headBytes = 0
  #tail: Buffer[] = []
  #tailBytes = 0
  #total = 0

  get total(): number { return this.#total }

  add(chunk: Buffer): void {
    this.#total += chunk.length
    const room = HEAD - this.#headBytes
    if (room > 0) {
      this.#head.push(chunk.subarray(0, room))
      this.#headBytes += Math.min(room, chunk.length)
    }
    if (chunk.length > room) this.#addTail(chunk.subarray(Math.max(0, room)))
  }

  /** Trimmed only when it is twice too long, so that adding stays cheap. */
  #addTail(chunk: Buffer): void {
    this.#tail.push(chunk)
    this.#tailBytes += chunk.length
    if (this.#tailBytes <= 2 * TAIL) return
    const kept = Buffer.concat(this.#tail).subarray(-TAIL)
    this.#tail = [Buffer.from(kept)]
    this.#tailBytes = kept.length
  }

  /** What is no text is not shown: its bytes say nothing to a reader of text. */
  text(): string {
    const beginning = Buffer.concat(this.#head).subarray(0, SAMPLE)
    if (beginning.includes(0) && !isUtf8(beginning)) return `(${this.#total} bytes of binary output are not shown; send them to a file, or through xxd, strings or base64)`
    const head = Buffer.concat(this.#head).toString("utf8")
    const tail = Buffer.concat(this.#tail).subarray(-TAIL)
    const dropped = this.#total - this.#headBytes - tail.length
    return readable(dropped > 0 ? `${head}\n… ${dropped} bytes were dropped here …\n${tail.toString("utf8")}` : Buffer.concat([...this.#head, tail]).toString("utf8"))
  }

  /** The last lines, for who looks on. */
  recent(bytes = 2_048): string {
    const end = this.#tailBytes > 0 ? this.#tail : this.#head
    return readable(Buffer.concat(end.slice(-8)).subarray(-bytes).toString("utf8"))
  }
}

/** All controls but tab, line feed and carriage return. */
const CONTROLS = /(?![\t\n\r])\p{Cc}/gu

/** Without escape sequences and other controls; of a line that was drawn over and over, its last state. */
export function readable(text: string): string {
  return stripVTControlCharacters(text).replaceAll("\0", "␀").replace(CONTROLS, "").replace(/\r+\n/g, "\n").split("\n").map((line) => line.slice(line.lastIndexOf("\r") + 1)).join("\n")
}
