/** What the tour shows: its own words, what is said in the conversation, and each event with its time. */
import type { Told } from "../../server/contract.ts"
import type { Style, Terminal } from "../contract.ts"
import { advance, wrap } from "../chat/width.ts"
import { isBad, say } from "../facts.ts"
import { clip, harmless } from "../table.ts"
import { newView, show, showDelta, type Piece, type View } from "../view.ts"

const INDENT = "   "
const WIDEST = 96

export class Teller {
  /** Where the files of the tour are, which nobody needs to read. */
  directory = ""
  readonly #terminal: Terminal
  readonly #width: number
  #view: View | undefined
  /** Cells in the last row, without the indent. */
  #column = 0
  #spaced = false
  /** When the last file was saved; events are timed from there. */
  #saved: number | undefined

  constructor(terminal: Terminal) {
    this.#terminal = terminal
    this.#width = Math.min(terminal.columns, WIDEST) - INDENT.length - 1
  }

  title(text: string): void {
    this.#terminal.out("\n")
    this.line(text, "bold")
  }

  scene(number: number, text: string): void {
    this.rest()
    this.#terminal.out(`\n${this.#terminal.paint("bold", ` ${number} ${wrap(text, this.#width, 0).replaceAll("\n", `\n${INDENT}`)}`)}\n`)
  }

  line(text: string, style?: Style): void {
    this.rest()
    this.#write(`${text}\n`, style)
  }

  /** Source text as it stands, not wrapped. */
  code(text: string): void {
    this.rest()
    for (const row of text.split("\n")) this.#terminal.out(`${INDENT}${this.#terminal.paint("dim", clip(`│ ${row}`, this.#width))}\n`)
  }

  saved(file: string): void {
    this.line(`✎ ${file}`, "cyan")
    this.#saved = performance.timeOrigin + performance.now()
  }

  event({ event, payload, at }: Told): void {
    const time = this.#saved === undefined ? "" : `+${Math.max(0, Math.round(at - this.#saved))} ms`
    this.line(`${isBad(event) ? "!" : "·"} ${time.padStart(8)}  ${event.padEnd(16)} ${say(event, payload).replaceAll(`${this.directory}/`, "")}`, isBad(event) ? "red" : "dim")
  }

  // ── the conversation ────────────────────────────────────────────────────────────────────────────────────────────

  prompt(text: string): void { this.line(`› ${text}`, "bold") }

  /** Durable events are the truth, deltas run ahead of them. */
  hear(session: string, { event, payload }: Told): void {
    if ((payload as { session?: unknown } | null)?.session !== session) return
    this.#view ??= newView(session, { live: true, together: true })
    if (event === "message.part.delta") this.#put(showDelta(this.#view, payload as Parameters<typeof showDelta>[1]))
    else this.#put(show(this.#view, event, (payload as { data?: unknown }).data))
  }

  #put(pieces: readonly Piece[]): void {
    for (const { text, style } of pieces) this.#write(harmless(text), style)
  }

  /** Whatever comes next begins a row. */
  rest(): void {
    if (this.#column > 0) this.#terminal.out("\n")
    this.#column = 0
    if (this.#view) this.#view.fresh = true
  }

  #write(text: string, style?: Style): void {
    const wrapped = wrap(text, this.#width, this.#column, this.#spaced)
    const rows = wrapped.split("\n").map((row, index) => (row !== "" && (index > 0 || this.#column === 0) ? INDENT : "") + (style && row !== "" ? this.#terminal.paint(style, row) : row))
    this.#terminal.out(rows.join("\n"))
    this.#column = advance(wrapped, this.#width, this.#column).column
    this.#spaced = text.endsWith(" ")
  }
}
