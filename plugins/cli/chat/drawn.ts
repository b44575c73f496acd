/** The conversation on a terminal that can move its cursor: a page above, one line being typed below. */
import type { ReadStream } from "node:tty"
import type { Style, Terminal } from "../contract.ts"
import { remember } from "../history.ts"
import type { Talk } from "../screen.ts"
import { clip, harmless } from "../table.ts"
import type { Piece } from "../view.ts"
import { emptyLine, press, type Act } from "./editor.ts"
import { openKeyboard, type Keyboard } from "./keyboard.ts"
import { draw, erase, newPage, resize, write, type Page, type Said } from "./page.ts"
import type { Hearer, Surface } from "./surface.ts"

/** Milliseconds between two drawings of what streams. */
const FRAME = 16

export class Drawn implements Surface {
  readonly shows = true
  readonly #terminal: Terminal
  readonly #talk: Talk
  readonly #hearer: Hearer
  readonly #historyFile: string
  readonly #keyboard: Keyboard
  readonly #page: Page
  #pending: Said[] = []
  #fresh: boolean
  #timer: NodeJS.Timeout | undefined
  readonly #resized = (): void => (resize(this.#page, this.#terminal.columns), this.#frame())

  constructor(terminal: Terminal, talk: Talk, historyFile: string, hearer: Hearer) {
    this.#terminal = terminal
    this.#talk = talk
    this.#hearer = hearer
    this.#historyFile = historyFile
    this.#page = talk.page ??= newPage(terminal.columns)
    this.#keyboard = talk.keyboard ??= openKeyboard(terminal.input as ReadStream, terminal.out)
    this.#fresh = this.#page.column === 0
    this.#keyboard.ring = () => this.#hear()
    process.stdout.on("resize", this.#resized)
    // What was typed between two generations; whoever hears it is not made yet.
    queueMicrotask(() => this.#hear())
  }

  say(pieces: readonly Piece[]): void {
    for (const { text, style } of pieces) {
      const plain = harmless(text).replaceAll("\t", "    ")
      if (plain === "") continue
      this.#pending.push({ text: plain, paint: style ? (part) => this.#terminal.paint(style, part) : String })
      this.#fresh = plain.endsWith("\n")
    }
    this.#timer ??= setTimeout(() => this.#frame(), FRAME)
  }

  line(text: string, style?: Piece["style"]): void {
    this.say([...(this.#fresh ? [] : [{ to: "out", text: "\n" } as const]), { to: "out", text: `${text}\n`, ...(style && { style }) }])
  }

  refresh(): void { this.#timer ??= setTimeout(() => this.#frame(), FRAME) }

  aside(away: boolean): void {
    const { aside } = this.#talk
    if (away) Object.assign(this.#talk, { aside: aside ?? this.#talk.line, line: emptyLine() })
    else if (aside) Object.assign(this.#talk, { aside: undefined, line: aside })
    this.refresh()
  }

  close(last: boolean): void {
    clearTimeout(this.#timer)
    process.stdout.off("resize", this.#resized)
    this.#keyboard.ring = () => {}
    this.#terminal.out(write(this.#page, this.#pending.splice(0)) + erase(this.#page))
    if (!last) return
    this.#keyboard.close()
    this.#talk.keyboard = undefined
  }

  #frame(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const { paint, columns, rows, out } = this.#terminal
    const { status, prompt, style, hint } = this.#hearer.posture()
    const { text, at } = this.#talk.line
    const said = (words: string, how: Style): Said => ({ text: words, paint: (part) => paint(how, part) })
    const area = { status: status === undefined ? [] : [said(clip(status, columns - 1), "dim")], prompt: said(prompt, style), text, at, hint: said(clip(hint, Math.max(0, columns - prompt.length - 1)), "dim") }
    out(write(this.#page, this.#ready()) + draw(this.#page, area, rows))
  }

  /** All that was said but a last word that may go on: only whole words can be wrapped. */
  #ready(): Said[] {
    const said = this.#pending.splice(0)
    const last = said.at(-1)
    const [word] = (last && /[^\s]{1,60}$/.exec(last.text)) ?? []
    if (!last || word === undefined) return said
    this.#pending.push({ ...last, text: word })
    return [...said.slice(0, -1), { ...last, text: last.text.slice(0, -word.length) }]
  }

  #hear(): void {
    const { keys } = this.#keyboard
    if (keys.length > 0) this.refresh()
    for (let key = keys.shift(); key; key = keys.shift()) {
      const { line, act } = press(this.#talk.line, key, this.#talk.history)
      this.#talk.line = line
      if (act) this.#act(act)
    }
    if (this.#keyboard.ended) this.#hearer.leave()
  }

  #act(act: Act): void {
    const { text } = this.#talk.line
    switch (act) {
      case "submit":
        this.#talk.line = emptyLine()
        if (this.#talk.aside === undefined) this.#remember(text)
        return this.#hearer.submit(text)
      case "interrupt":
        this.#talk.line = emptyLine()
        return text === "" || this.#talk.aside !== undefined ? this.#hearer.interrupt() : undefined
      case "leave": return this.#hearer.leave()
      case "wipe": return this.#terminal.out(`${erase(this.#page)}\u001b[2J\u001b[H`)
      case "suspend":
        this.#terminal.out(erase(this.#page))
        return this.#keyboard.suspend(() => this.#frame())
      case "complete": return void this.#complete(text)
      default: act satisfies never
    }
  }

  #remember(text: string): void {
    if (text.trim() === "" || text === this.#talk.history[0]) return
    this.#talk.history.unshift(text)
    remember(this.#historyFile, text)
  }

  async #complete(text: string): Promise<void> {
    const found = await this.#hearer.complete(text)
    if (this.#talk.line.text !== text || found.length === 0) return
    const completed = found.length === 1 ? `${found[0]!} ` : found.reduce(commonStart)
    this.#talk.line = { ...emptyLine(), text: completed, at: completed.length }
    if (found.length > 1 && completed === text) this.line(found.slice(0, 40).join("  "), "dim")
    this.#frame()
  }
}

function commonStart(a: string, b: string): string {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return a.slice(0, length)
}
