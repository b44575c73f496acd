/** The conversation as plain lines: for pipes, and for terminals on which no cursor may move. */
import type { Terminal } from "../contract.ts"
import type { Talk } from "../screen.ts"
import { harmless } from "../table.ts"
import type { Piece } from "../view.ts"
import { openLines, type Lines } from "./lines.ts"
import type { Hearer, Surface } from "./surface.ts"

export class Plain implements Surface {
  readonly shows = false
  readonly #terminal: Terminal
  readonly #hearer: Hearer
  readonly #lines: Lines
  readonly #untrap: () => void
  #fresh = true
  /** The prompt that stands at the end, if one does. */
  #asked = ""

  constructor(terminal: Terminal, talk: Talk, hearer: Hearer) {
    this.#terminal = terminal
    this.#hearer = hearer
    this.#lines = talk.lines ??= openLines(terminal.input, terminal.interactive)
    this.#lines.ring = () => this.refresh()
    this.#untrap = terminal.trap(() => (hearer.interrupt(), true))
  }

  say(pieces: readonly Piece[]): void {
    for (const { text, style } of pieces) {
      const plain = this.#terminal.interactive ? harmless(text) : text
      if (plain === "") continue
      if (this.#asked && !this.#fresh) this.#terminal.out("\n")
      this.#asked = ""
      this.#terminal.out(style ? this.#terminal.paint(style, plain) : plain)
      this.#fresh = plain.endsWith("\n")
    }
  }

  line(text: string, style?: Piece["style"]): void {
    this.say([...(this.#fresh || this.#asked ? [] : [{ to: "out", text: "\n" } as const]), { to: "out", text: `${text}\n`, ...(style && { style }) }])
  }

  /** A line is taken when one is wanted; a person may type ahead. */
  refresh(): void {
    const { open, prompt, style } = this.#hearer.posture()
    if ((open || this.#terminal.interactive) && this.#lines.lines.length > 0) {
      const text = this.#lines.lines.shift()!
      if (!this.#terminal.interactive) this.line(`${prompt}${text}`, "dim")
      else this.#fresh = true
      this.#asked = ""
      this.#hearer.submit(text)
    } else if (open && this.#lines.ended) this.#hearer.leave()
    else if (open && this.#terminal.interactive && this.#asked !== prompt) {
      this.#terminal.out(`${this.#fresh || this.#asked ? "" : "\n"}${this.#asked && !this.#fresh ? "\n" : ""}${this.#terminal.paint(style, prompt)}`)
      this.#asked = prompt
      this.#fresh = false
    }
  }

  aside(): void { this.refresh() }

  close(last: boolean): void {
    this.#untrap()
    this.#lines.ring = () => {}
    if (last) this.#lines.close()
  }
}
