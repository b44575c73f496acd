/** One out of a few rows: with the arrow keys or a number where a cursor can move, else by its number. */
import type { ReadStream } from "node:tty"
import type { Graft } from "graft"
import type { Terminal } from "./contract.ts"
import { openKeyboard } from "./chat/keyboard.ts"
import type { Key } from "./chat/editor.ts"
import { orMoved } from "./moved.ts"
import { clip } from "./table.ts"

export interface Choice { at: number; done?: "chosen" | "left" }

/** What a key does. Pure. */
export function pick({ at }: Choice, key: Key, count: number): Choice {
  const number = Number(key.sequence)
  if (key.ctrl) return key.name === "c" || key.name === "d" ? { at, done: "left" } : key.name === "n" ? pick({ at }, { name: "down" }, count) : key.name === "p" ? pick({ at }, { name: "up" }, count) : { at }
  if (number >= 1 && number <= Math.min(9, count)) return { at: number - 1, done: "chosen" }
  switch (key.name) {
    case "up": case "k": return { at: (at + count - 1) % count }
    case "down": case "j": return { at: (at + 1) % count }
    case "home": case "pageup": return { at: 0 }
    case "end": case "pagedown": return { at: count - 1 }
    case "return": case "enter": return { at, done: "chosen" }
    case "escape": case "q": return { at, done: "left" }
    default: return { at }
  }
}

/** The number of the row, or undefined when none is wanted. */
export async function choose(graft: Pick<Graft, "retiring">, terminal: Terminal, title: string, rows: readonly string[]): Promise<number | undefined> {
  if (!terminal.interactive) return undefined
  return terminal.cursor ? drawn(graft, terminal, title, rows) : asked(terminal, title, rows)
}

export const numbered = (rows: readonly string[]): string[] => rows.map((row, i) => `${String(i + 1).padStart(String(rows.length).length)}  ${row}`)

async function asked(terminal: Terminal, title: string, rows: readonly string[]): Promise<number | undefined> {
  terminal.err(`${title}\n${numbered(rows).join("\n")}\n`)
  const answer = await terminal.ask("which? ")
  const number = Number(answer)
  return Number.isInteger(number) && number >= 1 && number <= rows.length ? number - 1 : undefined
}

async function drawn(graft: Pick<Graft, "retiring">, terminal: Terminal, title: string, rows: readonly string[]): Promise<number | undefined> {
  const keyboard = openKeyboard(terminal.input as ReadStream, (text) => terminal.out(text))
  // As many as there is room for; the rest is reached by going on.
  const room = Math.max(3, Math.min(rows.length, terminal.rows - 3))
  let choice: Choice = { at: 0 }
  let height = 0
  const draw = () => {
    const from = Math.max(0, Math.min(choice.at - Math.floor(room / 2), rows.length - room))
    const lines = rows.slice(from, from + room).map((row, i) => {
      const line = clip(`${from + i === choice.at ? "›" : " "} ${from + i < 9 ? from + i + 1 : " "}  ${row}`, terminal.columns - 1)
      return from + i === choice.at ? terminal.paint("cyan", line) : line
    })
    wipe()
    const shown = [terminal.paint("bold", clip(title, terminal.columns - 1)), ...lines, terminal.paint("dim", clip("↑ ↓ or a number, Enter; Esc leaves", terminal.columns - 1))]
    terminal.out(`${shown.join("\n")}\n`)
    height = shown.length
  }
  const wipe = () => { if (height > 0) terminal.out(`\u001b[${height}A\u001b[J`) }
  try {
    return await orMoved(graft, new Promise<number | undefined>((resolve) => {
      const leave = () => resolve(undefined)
      keyboard.ring = () => {
        for (const key of keyboard.keys.splice(0)) {
          choice = pick(choice, key, rows.length)
          if (choice.done) return resolve(choice.done === "chosen" ? choice.at : undefined)
        }
        if (keyboard.ended) leave()
        draw()
      }
      terminal.signal.addEventListener("abort", leave, { once: true })
      draw()
      keyboard.ring()
    }))
  } finally {
    wipe()
    keyboard.close()
  }
}
