/** What changes while a conversation is open, as lines beside it; a flood of one kind is one line. */
import { isBad, say } from "./facts.ts"

/** Milliseconds in which notes are gathered, and how many of one kind are said in full. */
const GATHER = 60
const MOST = 3

export interface Note { event: string; text: string; bad: boolean }

export class Notes {
  readonly #tell: (notes: Note[]) => void
  #pending: Note[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(tell: (notes: Note[]) => void) { this.#tell = tell }

  add(event: string, payload: unknown): void {
    this.#pending.push({ event, text: say(event, payload), bad: isBad(event) })
    this.#timer ??= setTimeout(() => this.flush(), GATHER)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const pending = this.#pending.splice(0)
    if (pending.length) this.#tell(gather(pending))
  }
}

export function gather(notes: readonly Note[]): Note[] {
  const byEvent = Map.groupBy(notes, ({ event }) => event)
  return [...byEvent.values()].flatMap((group) => (group.length <= MOST ? group : [...group.slice(0, MOST - 1), { ...group[0]!, text: `and ${group.length - MOST + 1} more: ${group[0]!.event}` }]))
}
