/**
 * A growing text with an area below it, on a terminal that can move its cursor: what happened scrolls by above, what is
 * being typed stays at the bottom. Only the area is ever drawn again; text that has no line end yet goes on where it
 * stopped. Data, so that it outlives a reload of this plugin.
 */
import { advance } from "./width.ts"

export interface Page {
  /** Cells that the text takes in its last row; 0 when it ended with a line end. */
  column: number
  /** Rows of the area above the cursor; undefined while no area is drawn. */
  cursor: number | undefined
  columns: number
}
/** `shown` is what is written for `plain`, with colors. */
export interface Said { plain: string; shown: string }
export interface Area { /** Rows above the prompt, each no wider than the screen. */ status: readonly Said[]; prompt: Said; text: string; /** Of the cursor, in the text. */ at: number; /** Shown in place of no text. */ hint: Said }

export const newPage = (columns: number): Page => ({ column: 0, cursor: undefined, columns })

/** What to write to take the area away and add text. */
export function write(page: Page, said: readonly Said[]): string {
  let out = erase(page)
  if (said.length === 0) return out
  // The row above the area was just full: the text goes on in the area's first row.
  if (page.column >= page.columns) page.column = 0
  else if (page.column > 0) out += `\u001b[1A\u001b[${page.column + 1}G`
  for (const { plain, shown } of said) {
    page.column = advance(plain, page.columns, page.column).column
    out += shown
  }
  return page.column > 0 ? `${out}\n` : out
}

/** What to write to draw the area; at most so many rows of it. */
export function draw(page: Page, { status, prompt, text, at, hint }: Area, rows: number): string {
  const most = Math.max(1, rows - status.length - 1)
  const part = window(text, at, page.columns, most)
  const typed = prompt.plain + readable(part.text)
  let end = advance(typed, page.columns)
  let here = advance(prompt.plain + readable(part.text.slice(0, part.at)), page.columns)
  let out = status.map(({ shown }) => `${shown}\n`).join("") + prompt.shown + readable(part.text)
  if (text === "") out += hint.shown
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
