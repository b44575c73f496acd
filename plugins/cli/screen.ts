/**
 * What is on the screen right now. It is kept across reloads of this plugin, so it is data and dumb resources, never
 * code: an edit in mid-sentence goes on with the next word.
 */
import { stripVTControlCharacters } from "node:util"
import type { Interface } from "node:readline"
import type { Terminal } from "./contract.ts"
import { endLine, type Piece, type View } from "./view.ts"

/** A prompt of `graft run` that was given and is being worked on. */
export interface Errand { session: string; after: number; started: number; model: string }
/** An open conversation: its session, where its log was last read, and the line editor with what was typed. */
export interface Talk { session?: string; cursor: number; reader?: Interface; /** Lines that were typed and are not yet taken. */ typed: string[]; greeted: boolean; left: boolean }

export interface Screen { terminal?: Terminal; view?: View; errand?: Errand; talk?: Talk }

export const newScreen = (): Screen => ({})

/** Writes what the view gave. Text of a model is shown without its control characters; into a pipe it goes as it is. */
export function put({ terminal, view }: Screen, pieces: readonly Piece[]): void {
  if (!terminal || !view) return
  for (const { to, text, style } of pieces) {
    if (to === "err") {
      if (terminal.together) for (const end of endLine(view)) terminal.out(end.text)
      terminal.err(style ? terminal.paint(style, text) : text)
    } else {
      const plain = terminal.interactive || terminal.together ? stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "") : text
      terminal.out(style ? terminal.paint(style, plain) : plain)
    }
  }
}
