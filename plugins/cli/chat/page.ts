/**
 * A growing text with an area below it, on a terminal that can move its cursor: what happened scrolls by above, what is
 * being typed stays at the bottom. Only the area is ever drawn again; text that has no line end yet goes on where it
 * stopped. Data, so that it outlives a reload of this plugin.
 */
import { advance, wrap } from "./width.ts"

export interface Page {
  /** Cells that the text takes in its last row; 0 when it ended with a line end. */
  column: number
  /** It ended with a space: a word may go to the next row. */
  spaced: boolean
  /** Rows of the area above the cursor; undefined while no area is drawn. */
  cursor: number | undefined
  columns: number
}
export interface Said { text: string; paint(text: string): string }
export interface Area { /** Rows above the prompt, each no wider than the screen. */ status: readonly Said[]; prompt: Said; text: string; /** Of the cursor, in the text. */ at: number; /** Shown in place of no text. */ hint: Said }

export const newPage = (columns: number): Page => ({ column: 0, spaced: false, cursor: undefined, columns })

/** What to write to take the area away and add text. */
export function write(page: Page, said: readonly Said[]): string {
  let out = erase(page)
  if (said.length === 0) return out
  if (page.column > 0 && page.column < page.columns) out += `\u001b[1A\u001b[${page.column + 1}G`
  // Of a row that was just full the line end is written already, with the area below it.
  let ended = page.column >= page.columns
  for (const { text, paint } of said) {
    const wrapped = wrap(text, page.columns, page.column, page.spaced)
    if (text !== "") page.spaced = text.endsWith(" ")
    if (wrapped === "") continue
    const shown = ended && wrapped.startsWith("\n") ? wrapped.slice(1) : wrapped
    page.column = advance(shown, page.columns, ended ? 0 : page.column).column
    ended = false
    out += paint(shown)
  }
  return page.column > 0 && !ended ? `${out}\n` : out
}

/** What to write to draw the area; at most so many rows of it. */
export function draw(page: Page, { status, prompt, text, at, hint }: Area, rows: number): string {
  const most = Math.max(1, rows - status.length - 1)
  const part = window(text, at, page.columns, most)
  const typed = prompt.text + readable(part.text)
  let end = advance(typed, page.columns)
  let here = advance(prompt.text + readable(part.text.slice(0, part.at)), page.columns)
  let out = status.map(({ text: row, paint }) => `${paint(row)}\n`).join("") + prompt.paint(prompt.text) + readable(part.text)
  if (text === "") out += hint.paint(hint.text)
  if (end.column >= page.columns && text !== "") {
    out += "\n"
    end = { rows: end.rows + 1, column: 0 }
  }
  if (here.column >= page.columns) here = { rows: here.rows + 1, column: 0 }
  page.cursor = status.length + here.rows
  return `${out}${end.rows > here.rows ? `\u001b[${end.rows - here.rows}A` : ""}\u001b[${here.column + 1}G`
}

/** Takes the area away; the cursor is then where it began. */
export function erase(page: Page): string {
  if (page.cursor === undefined) return ""
  const up = page.cursor > 0 ? `\u001b[${page.cursor}A` : ""
  page.cursor = undefined
  return `${up}\r\u001b[J`
}

/** The screen has another size: the terminal wrapped what stood there, so text goes on in a new row. */
export function resize(page: Page, columns: number): void {
  if (columns === page.columns) return
  page.columns = columns
  page.column = 0
}

/** As it is shown while it is typed: further rows are indented. */
const readable = (text: string): string => text.replaceAll("\t", "  ").replaceAll("\n", "\n  ")

/** The part of a long text around the cursor that fits. */
function window(text: string, at: number, columns: number, most: number): { text: string; at: number } {
  if (advance(readable(text), columns, 4).rows < most) return { text, at }
  let from = Math.max(0, at - Math.floor((most * columns) / 2))
  while (from < at && advance(readable(text.slice(from, at)), columns, 4).rows >= most - 1) from = Math.min(at, from + Math.max(1, Math.floor(columns / 4)))
  return { text: text.slice(from, at), at: at - from }
}
