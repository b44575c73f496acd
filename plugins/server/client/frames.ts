/** Reads an event stream as HTML's "server-sent events" has it: any line end, any cut, comments and fields that nobody knows. */

export interface Frame { data: string; /** The last event id that was said so far, which every later frame keeps. */ id: string; event: string }

export class FrameReader {
  readonly #decoder = new TextDecoder("utf-8")
  #rest = ""
  /** A line that ended in CR: the LF that may follow belongs to it. */
  #return = false
  #data: string[] = []
  #event = ""
  #id: string
  /** Milliseconds to wait before coming back, as the server wishes. */
  retry: number | undefined

  /** `id`: what was said last on the connection before this one. */
  constructor(id = "") { this.#id = id }

  push(chunk: Uint8Array): Frame[] {
    let text = this.#decoder.decode(chunk, { stream: true })
    if (text === "") return []
    if (this.#return && text.startsWith("\n")) text = text.slice(1)
    this.#return = text.endsWith("\r")
    const lines = (this.#rest + text).split(/\r\n|\n|\r/)
    this.#rest = lines.pop()!
    const frames: Frame[] = []
    for (const line of lines) this.#take(line, frames)
    return frames
  }

  #take(line: string, frames: Frame[]): void {
    if (line === "") {
      if (this.#data.length > 0) frames.push({ data: this.#data.join("\n"), id: this.#id, event: this.#event || "message" })
      this.#data = []
      this.#event = ""
      return
    }
    const colon = line.indexOf(":")
    if (colon === 0) return
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "")
    if (name === "data") this.#data.push(value)
    else if (name === "event") this.#event = value
    else if (name === "id" && !value.includes("\0")) this.#id = value
    else if (name === "retry" && /^\d+$/.test(value)) this.retry = Number(value)
  }
}
