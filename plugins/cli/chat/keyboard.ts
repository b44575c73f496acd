/**
 * A terminal whose keys come one by one. It is kept across reloads of this plugin, so it is dumb: it gathers keys, and
 * rings for whoever listens then.
 */
import { emitKeypressEvents } from "node:readline"
import type { ReadStream } from "node:tty"
import type { Key } from "./editor.ts"

export interface Keyboard { keys: Key[]; ring: () => void; /** Nothing will come any more. */ ended: boolean; close(): void; suspend(then: () => void): void }

/** Pastes come in brackets, so that a line end in them is no Enter. */
const [PASTES_ON, PASTES_OFF] = ["\u001b[?2004h", "\u001b[?2004l"]

export function openKeyboard(input: ReadStream, write: (text: string) => void): Keyboard {
  const hear = (text: string | undefined, key: Key) => {
    keyboard.keys.push({ ...key, sequence: key.sequence ?? text })
    keyboard.ring()
  }
  const end = () => {
    keyboard.ended = true
    keyboard.ring()
  }
  const take = () => (input.setRawMode(true), write(PASTES_ON))
  const give = () => (write(PASTES_OFF), input.setRawMode(false))
  const keyboard: Keyboard = {
    keys: [], ring: () => {}, ended: false,
    close() {
      input.off("keypress", hear).off("end", end).off("error", end).pause()
      process.off("exit", give)
      give()
    },
    suspend(then) {
      give()
      process.once("SIGCONT", () => (take(), then()))
      process.kill(process.pid, "SIGTSTP")
    },
  }
  emitKeypressEvents(input)
  input.on("keypress", hear).on("end", end).on("error", end).resume()
  process.once("exit", give)
  take()
  return keyboard
}
