/** The part of a text that one read shows: numbered lines from an offset, bounded in lines, bytes and line length. */

export interface WindowOptions { offset: number; limit: number; bytes: number }
const MAX_LINE = 2_000

export class Window {
  readonly #options: WindowOptions
  readonly #shown: string[] = []
  #line = 0
  #bytes = 0
  #full = false

  constructor(options: WindowOptions) { this.#options = options }

  get full(): boolean { return this.#full }
  get lines(): number { return this.#line }

  /** The next line; `cut` characters of it were dropped before. */
  add(line: string, cut = 0): void {
    if (this.#full) return void this.#line++
    const number = this.#line + 1
    if (number >= this.#options.offset) {
      const left = Math.max(0, line.length - MAX_LINE) + cut
      const text = `${number}\t${left > 0 ? `${line.slice(0, MAX_LINE)}… (${left} more characters)` : line}`
      const bytes = Buffer.byteLength(text) + 1
      this.#full = this.#shown.length > 0 && (this.#shown.length >= this.#options.limit || this.#bytes + bytes > this.#options.bytes)
      if (!this.#full) {
        this.#shown.push(text)
        this.#bytes += bytes
      }
    }
    this.#line = number
  }

  /** `total`: all lines were added; otherwise more may follow. */
  render(total: boolean): string {
    const { offset } = this.#options
    const last = offset + this.#shown.length - 1
    if (this.#line === 0) return "(empty file)"
    if (this.#shown.length === 0) return `(the file has ${this.#line} lines; there is no line ${offset})`
    const text = this.#shown.join("\n")
    if (this.#full) return `${text}\n(lines ${offset} to ${last}${total ? ` of ${this.#line}` : ""}; go on with offset ${last + 1})`
    return offset > 1 ? `${text}\n(lines ${offset} to ${last}, the end)` : text
  }
}

/** Cuts a stream of text into lines, in bounded memory however long a line is. */
export class LineSplitter {
  readonly #take: (line: string, cut: number) => void
  #rest = ""
  #cut = 0
  #open = false

  constructor(take: (line: string, cut: number) => void) { this.#take = take }

  push(text: string): void {
    let start = 0
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      this.#keep(text.slice(start, end))
      this.#emit()
      start = end + 1
    }
    if (start < text.length) this.#keep(text.slice(start))
  }

  end(): void { if (this.#open) this.#emit() }

  #keep(piece: string): void {
    const room = Math.max(0, 2 * MAX_LINE - this.#rest.length)
    this.#rest += piece.slice(0, room)
    this.#cut += Math.max(0, piece.length - room)
    this.#open = true
  }

  #emit(): void {
    this.#take(this.#cut === 0 && this.#rest.endsWith("\r") ? this.#rest.slice(0, -1) : this.#rest, this.#cut)
    this.#rest = ""
    this.#cut = 0
    this.#open = false
  }
}
