/** What a conversation is shown on and typed into: a page that is drawn, or plain lines where no cursor may move. */
import type { Style } from "../contract.ts"
import type { Piece } from "../view.ts"

export interface Posture {
  /** What goes on right now, in one row, while something does. */
  status?: string
  prompt: string
  style: Style
  /** What could be typed, while nothing is. */
  hint: string
  /** Lines are wanted: a pipe is read no faster than it is answered. */
  open: boolean
}

/** What the surface hears, the conversation does. */
export interface Hearer {
  posture(): Posture
  submit(text: string): void
  /** Ctrl-C, with nothing typed. */
  interrupt(): void
  leave(): void
  /** What a line that is being typed could become. */
  complete(text: string): Promise<string[]>
}

export interface Surface {
  /** The status is to be seen. */
  readonly shows: boolean
  say(pieces: readonly Piece[]): void
  /** A line of its own, whatever stands above. */
  line(text: string, style?: Piece["style"]): void
  /** The posture has changed. */
  refresh(): void
  /** What is being typed is put aside for a question, and comes back. */
  aside(away: boolean): void
  /** Nothing is drawn or heard any more; the terminal is as it was when `last`. */
  close(last: boolean): void
}
