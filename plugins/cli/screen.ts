/**
 * What is on the screen right now. It is kept across reloads of this plugin, so it is data and dumb resources, never
 * code: an edit in mid-sentence goes on with the next word.
 */
import type { Line } from "./chat/editor.ts"
import type { Keyboard } from "./chat/keyboard.ts"
import type { Lines } from "./chat/lines.ts"
import type { Page } from "./chat/page.ts"
import type { Terminal } from "./contract.ts"
import { harmless } from "./table.ts"
import type { Piece, View } from "./view.ts"

/** A prompt of `graft run` that was given and is being worked on. */
export interface Errand { session: string; after: number; started: number; model: string }

/** An open conversation. */
export interface Talk {
  /** A person is there, who can be asked. */
  answers: boolean
  /** None before the first prompt. */
  session?: string
  /** The model that was asked for; a session knows its own. */
  model?: string; agent?: string
  /** The last event of the session that was shown. */
  cursor: number
  /** When the work that goes on was asked for. */
  since: number
  line: Line
  /** What was being typed when a question came. */
  aside?: Line
  /** Newest first. */
  history: string[]
  page?: Page
  keyboard?: Keyboard
  lines?: Lines
}

export interface Screen { terminal?: Terminal; view?: View; errand?: Errand; talk?: Talk }

export const newScreen = (): Screen => ({})

/** The terminal is given back as it was. */
export function closeScreen({ talk }: Screen): void {
  talk?.keyboard?.close()
  talk?.lines?.close()
}

/** Writes what the view gave. Text of a model is shown without its control characters; into a pipe it goes as it is. */
export function put({ terminal }: Screen, pieces: readonly Piece[]): void {
  if (!terminal) return
  for (const { to, text, style } of pieces) {
    if (to === "err") terminal.err(style ? terminal.paint(style, text) : text)
    else {
      const plain = terminal.interactive || terminal.together ? harmless(text) : text
      terminal.out(style ? terminal.paint(style, plain) : plain)
    }
  }
}
