/** A byte stream as lines, bounded: one line can be no longer than the limit, whoever sends it. */

export class LineTooLong extends Error {
  readonly code = "lines.too-long"
}

export class LineReader {
  readonly #limit: number
  #parts: Uint8Array[] = []
  #length = 0

  /** `limit` in bytes. */
  constructor(limit: number) { this.#limit = limit }

  /** The lines that this chunk completes, without their ends; a last line without an end waits for more. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = []
    for (let from = 0; ; ) {
      const end = chunk.indexOf(10, from)
      const part = chunk.subarray(from, end < 0 ? undefined : end)
      this.#length += part.length
      if (this.#length > this.#limit) throw new LineTooLong(`a line is longer than ${this.#limit} bytes`)
      if (part.length > 0) this.#parts.push(part)
      if (end < 0) return lines
      lines.push(this.#take())
      from = end + 1
    }
  }

  #take(): string {
    const whole = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts, this.#length)
    this.#parts = []
    this.#length = 0
    return Buffer.from(whole.buffer, whole.byteOffset, whole.byteLength).toString("utf8").replace(/\r$/, "")
  }
}
