/** What is typed is never lost and never sent by half: a line is a fold over keys, on a page that draws only what changed. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { emptyLine, press, type Act, type Key, type Line } from "../../plugins/cli/chat/editor.ts"
import { draw, erase, newPage, write, type Area, type Said } from "../../plugins/cli/chat/page.ts"
import { advance, wrap } from "../../plugins/cli/chat/width.ts"

const key = (name: string, more: Partial<Key> = {}): Key => ({ name, ...more })
const ctrl = (name: string): Key => key(name, { ctrl: true })
const type = (text: string): Key[] => [...text].map((sequence) => ({ name: sequence, sequence }))
const enter = key("return", { sequence: "\r" })

function play(keys: readonly Key[], history: readonly string[] = [], from: Line = emptyLine()): { line: Line; acts: Act[] } {
  const acts: Act[] = []
  let line = from
  for (const each of keys) {
    const step = press(line, each, history)
    line = step.line
    if (step.act) acts.push(step.act)
  }
  return { line, acts }
}

describe("a line", () => {
  it.each<[string, Key[], string, number]>([
    ["grows where the cursor is", [...type("hllo"), key("home"), key("right"), ...type("e")], "hello", 2],
    ["loses a whole character, however many units it has", [...type("a"), { sequence: "👩‍👩‍👧" }, key("backspace")], "a", 1],
    ["loses what is under the cursor", [...type("abc"), key("home"), key("delete")], "bc", 0],
    ["loses a word", [...type("one two"), ctrl("w")], "one ", 4],
    ["loses its beginning, or its end", [...type("one two"), key("left"), ctrl("k"), key("left"), ctrl("u")], "w", 0],
    ["is walked by words", [...type("one two"), ctrl("left"), ctrl("left"), ctrl("right"), ...type("!")], "one! two", 4],
    ["has rows after a backslash and Enter, Alt-Enter or Ctrl-J", [...type("a\\"), enter, ...type("b"), key("return", { meta: true }), ...type("c"), key("enter")], "a\nb\nc\n", 6],
    ["is walked by rows", [...type("long"), key("enter"), ...type("ab"), key("up"), ...type("!")], "lo!ng\nab", 3],
    ["takes no control characters", [{ sequence: "\u0007" }, { name: "f5", sequence: "\u001b[15~" }, ...type("x")], "x", 1],
  ])("%s", (_, keys, text, at) => {
    expect(play(keys).line).toMatchObject({ text, at })
  })

  it("is sent with Enter, and only then", () => {
    expect(play([...type("hi"), enter]).acts).toEqual(["submit"])
    expect(play([...type("hi"), key("tab"), ctrl("c"), ctrl("z"), ctrl("l")]).acts).toEqual(["complete", "interrupt", "suspend", "wipe"])
  })

  it("leaves with Ctrl-D when it is empty, and loses a character otherwise", () => {
    expect(play([ctrl("d")]).acts).toEqual(["leave"])
    expect(play([...type("ab"), key("home"), ctrl("d")])).toMatchObject({ line: { text: "b" }, acts: [] })
  })

  it("is never sent by a paste, whatever is pasted", () => {
    const pasted = play([key("paste-start"), ...type("one"), enter, key("tab"), ctrl("c"), ctrl("d"), ...type("two"), key("enter"), key("paste-end")])
    expect(pasted.acts).toEqual([])
    expect(pasted.line.text).toBe("one\n\ttwo\n")
    expect(play([enter], [], pasted.line).acts).toEqual(["submit"])
  })

  it("goes back through what was typed before, and returns to what is being typed", () => {
    const history = ["newest", "older"]
    const up = [...type("dra"), key("up"), key("up"), key("up")]
    expect(play(up, history).line.text).toBe("older")
    expect(play([...up, key("down"), key("down"), ...type("ft"), key("down")], history).line.text).toBe("draft")
  })

  it("keeps its cursor inside, for all keys", () => {
    const keys = fc.array(fc.oneof(
      fc.constantFrom(...["left", "right", "up", "down", "home", "end", "backspace", "delete", "return", "enter", "tab", "paste-start", "paste-end"].map((name) => key(name))),
      fc.constantFrom(..."abcdefhklnpuwz").map(ctrl), fc.string({ unit: "grapheme", maxLength: 3 }).map((sequence) => ({ sequence })),
    ), { maxLength: 60 })
    fc.assert(fc.property(keys, fc.array(fc.string(), { maxLength: 3 }), (pressed, history) => {
      const { line } = play(pressed, history)
      expect(line.at).toBeGreaterThanOrEqual(0)
      expect(line.at).toBeLessThanOrEqual(line.text.length)
    }))
  })
})

// ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────

const TOKEN = new RegExp(`(${"\u001b"}\\[(\\d*)([AGJ]))|\\r|\\n|.`, "gsu")

/** As much of a terminal as the page uses: rows that scroll, a cursor, and a wrap that waits for the next character. */
class Screen {
  readonly rows: string[][] = [[]]
  readonly columns: number
  row = 0
  column = 0
  constructor(columns: number) { this.columns = columns }

  feed(text: string): void {
    for (const [token, , count = "1", letter] of text.matchAll(TOKEN)) {
      if (letter === "A") {
        this.row -= Number(count || 1)
        if (this.row < 0) throw new Error("the cursor went above the first row")
      } else if (letter === "G") this.column = Number(count) - 1
      else if (letter === "J") {
        this.rows.splice(this.row + 1)
        this.rows[this.row]!.splice(Math.min(this.column, this.columns))
      } else if (token === "\r") this.column = 0
      else if (token === "\n") this.#down()
      else this.#put(token, advance(token, Infinity).column)
    }
  }

  #put(character: string, cells: number): void {
    if (this.column + cells > this.columns) this.#down()
    const row = this.rows[this.row]!
    while (row.length < this.column) row.push(" ")
    row.splice(this.column, cells, character, ...(cells === 2 ? [""] : []))
    this.column += cells
  }

  #down(): void {
    this.row++
    this.column = 0
    this.rows[this.row] ??= []
  }

  text(): string[] { return this.rows.map((row) => row.join("").trimEnd()) }
}

const plain = (text: string): Said => ({ text, paint: String })
const area = (text: string, at = text.length, status: string[] = []): Area => ({ status: status.map(plain), prompt: plain("> "), text, at, hint: plain("") })
/** The rows that text takes on a screen that nothing else is drawn on. */
const laid = (text: string, columns: number): string[] => {
  const screen = new Screen(columns)
  screen.feed(text)
  return screen.text()
}

const shown = (rows: readonly string[]): readonly string[] => rows.slice(0, rows.findLastIndex((row) => row !== "") + 1)

describe("a page", () => {
  const columns = 12
  const word = fc.stringMatching(/^[a-z]{1,16}$/)
  const chunk = fc.oneof(word, fc.constant(" "), fc.constant("\n"), fc.constantFrom("漢字", "é", "123456789012"))

  it("shows all that was said, in order and once, above what is being typed, however it came in pieces", () => {
    fc.assert(fc.property(fc.array(fc.record({ said: fc.array(chunk, { maxLength: 4 }), typed: fc.stringMatching(/^[a-z ]{0,30}$/), back: fc.nat(10), status: fc.boolean() }), { minLength: 1, maxLength: 12 }), (steps) => {
      const [page, screen] = [newPage(columns), new Screen(columns)]
      let [all, spaced] = ["", false]
      for (const { said, typed, back, status } of steps) {
        for (const text of said) [all, spaced] = [all + wrap(text, columns, advance(all, columns).column, spaced), text.endsWith(" ")]
        const drawn = area(typed, Math.max(0, typed.length - back), status ? ["busy"] : [])
        screen.feed(write(page, said.map(plain)) + draw(page, drawn, 30))
        const above = laid(all, columns)
        if (all.endsWith("\n") || all === "") above.pop()
        const below = [...(status ? ["busy"] : []), ...laid(`> ${typed}`, columns)]
        expect(screen.text().slice(0, above.length + below.length)).toEqual([...above, ...below])
        const cursor = advance(`> ${typed.slice(0, drawn.at)}`, columns)
        const [row, column] = cursor.column >= columns ? [cursor.rows + 1, 0] : [cursor.rows, cursor.column]
        expect([screen.row - above.length - (status ? 1 : 0), screen.column]).toEqual([row, column])
      }
      screen.feed(erase(page))
      expect(shown(screen.text())).toEqual(shown(laid(all, columns)))
    }), { numRuns: 300 })
  })

  it("shows the part of a long text around the cursor, on so many rows", () => {
    const long = Array.from({ length: 200 }, (_, index) => `row ${index}`).join("\n")
    for (const at of [0, 700, long.length]) {
      const [page, screen] = [newPage(40), new Screen(40)]
      screen.feed(draw(page, area(long, at), 10))
      expect(screen.text().length).toBeLessThanOrEqual(10)
    }
  })
})

describe("wrapping", () => {
  it("breaks between words, changes nothing but spaces, and leaves no row too wide", () => {
    fc.assert(fc.property(fc.array(fc.stringMatching(/^[a-z]{1,10}$/), { maxLength: 20 }), (words) => {
      const text = words.join(" ")
      const wrapped = wrap(text, 12, 0)
      expect(wrapped.replaceAll("\n", " ")).toBe(text)
      expect(wrapped.split("\n").every((row) => row.length <= 12)).toBe(true)
      // Word by word, as a model streams, the rows are the same.
      const streamed = words.reduce((all, word, index) => all + wrap(`${word}${index < words.length - 1 ? " " : ""}`, 12, advance(all, 12).column, index > 0), "")
      expect(streamed.split("\n").map((row) => row.trimEnd())).toEqual(wrapped.split("\n"))
    }))
  })
})
