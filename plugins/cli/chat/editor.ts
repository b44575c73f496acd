/** One line being typed (it may have several rows), as a fold over keys: pure, so that every key is a row of a test. */

export interface Key { name?: string; sequence?: string; ctrl?: boolean; meta?: boolean; shift?: boolean }
/** `at`: where the cursor is, in UTF-16 units. `back`: how far up in the history; `draft` is what was being typed before. */
export interface Line { text: string; at: number; back: number; draft: string; pasting: boolean }
export type Act = "submit" | "interrupt" | "leave" | "suspend" | "wipe" | "complete"

export const emptyLine = (): Line => ({ text: "", at: 0, back: 0, draft: "", pasting: false })
/** Characters; a paste beyond is cut. */
const MOST = 1_000_000
const VISIBLE = /^\P{Cc}+$/u

/** `history` is newest first. */
export function press(line: Line, key: Key, history: readonly string[]): { line: Line; act?: Act } {
  if (key.name === "paste-start") return { line: { ...line, pasting: true } }
  if (key.name === "paste-end") return { line: { ...line, pasting: false } }
  if (line.pasting) return { line: insert(line, pasted(key)) }
  const act = actOf(line, key)
  if (act) return { line, act }
  // A backslash before Enter, or Alt-Enter, or Ctrl-J: a new row.
  if (isReturn(key)) return { line: key.name === "return" && !key.meta ? insert({ ...line, text: line.text.slice(0, line.at - 1) + line.text.slice(line.at), at: line.at - 1 }, "\n") : insert(line, "\n") }
  const edit = EDITS[`${key.ctrl ? "ctrl-" : ""}${key.meta ? "meta-" : ""}${key.name ?? ""}`]
  if (edit) return { line: edit(line, history) }
  const text = key.sequence ?? ""
  return { line: key.ctrl || key.meta || !VISIBLE.test(text) ? line : insert(line, text) }
}

const isReturn = ({ name }: Key): boolean => name === "return" || name === "enter"

function actOf(line: Line, key: Key): Act | undefined {
  if (key.name === "return" && !key.meta && line.text[line.at - 1] !== "\\") return "submit"
  if (key.name === "tab" && !key.shift) return "complete"
  if (!key.ctrl) return undefined
  return key.name === "d" ? (line.text === "" ? "leave" : undefined) : CONTROLS[key.name ?? ""]
}

const CONTROLS: Readonly<Record<string, Act>> = { c: "interrupt", z: "suspend", l: "wipe" }

/** Within a paste nothing is a command: rows stay rows, and what cannot be seen is left out. */
const pasted = ({ name, sequence = "" }: Key): string => (name === "return" || name === "enter" ? "\n" : name === "tab" ? "\t" : VISIBLE.test(sequence) ? sequence : "")

function insert(line: Line, text: string): Line {
  if (line.text.length + text.length > MOST) return line
  return { ...line, text: line.text.slice(0, line.at) + text + line.text.slice(line.at), at: line.at + text.length }
}

type Edit = (line: Line, history: readonly string[]) => Line
const move = (to: (line: Line) => number): Edit => (line) => ({ ...line, at: to(line) })
const cut = (from: (line: Line) => number, to: (line: Line) => number): Edit => (line) => ({ ...line, text: line.text.slice(0, from(line)) + line.text.slice(to(line)), at: from(line) })
const here = ({ at }: Line): number => at

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" })
const before = ({ text, at }: Line): number => at - ([...graphemes.segment(text.slice(0, at))].at(-1)?.segment.length ?? 0)
const after = ({ text, at }: Line): number => at + (graphemes.segment(text.slice(at)).containing(0)?.segment.length ?? 0)
const wordBefore = ({ text, at }: Line): number => /\S*\s*$/.exec(text.slice(0, at))!.index
const wordAfter = ({ text, at }: Line): number => at + /^\s*\S*/.exec(text.slice(at))![0].length
const rowStart = ({ text, at }: Line): number => text.lastIndexOf("\n", at - 1) + 1
const rowEnd = ({ text, at }: Line): number => (text.indexOf("\n", at) < 0 ? text.length : text.indexOf("\n", at))

/** Up and down go through the rows, and beyond them through the history. */
function vertical(step: 1 | -1): Edit {
  return (line, history) => {
    const [start, end] = [rowStart(line), rowEnd(line)]
    const column = line.at - start
    if (step < 0 && start > 0) return { ...line, at: Math.min(rowStart({ ...line, at: start - 1 }) + column, start - 1) }
    if (step > 0 && end < line.text.length) return { ...line, at: Math.min(end + 1 + column, rowEnd({ ...line, at: end + 1 })) }
    const back = line.back - step
    if (back < 0 || back > history.length) return line
    const draft = line.back === 0 ? line.text : line.draft
    const text = back === 0 ? draft : history[back - 1]!
    return { ...line, text, at: text.length, back, draft }
  }
}

const EDITS: Readonly<Record<string, Edit>> = {
  left: move(before), "ctrl-b": move(before), right: move(after), "ctrl-f": move(after),
  home: move(rowStart), "ctrl-a": move(rowStart), end: move(rowEnd), "ctrl-e": move(rowEnd),
  "ctrl-left": move(wordBefore), "meta-left": move(wordBefore), "meta-b": move(wordBefore), "ctrl-right": move(wordAfter), "meta-right": move(wordAfter), "meta-f": move(wordAfter),
  backspace: cut(before, here), "ctrl-h": cut(before, here), delete: cut(here, after), "ctrl-d": cut(here, after),
  "ctrl-w": cut(wordBefore, here), "meta-backspace": cut(wordBefore, here), "meta-d": cut(here, wordAfter), "ctrl-u": cut(rowStart, here), "ctrl-k": cut(here, rowEnd),
  up: vertical(-1), "ctrl-p": vertical(-1), down: vertical(1), "ctrl-n": vertical(1),
}
