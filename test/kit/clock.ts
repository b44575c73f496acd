/** A clock that moves only when it is told to, so that a deadline of ten minutes is tested in a millisecond. */
import type { Clock } from "graft"

interface Timer { at: number; serial: number; work(): void }

export class TestClock implements Clock {
  #now = 1_700_000_000_000
  #serial = 0
  readonly #timers = new Set<Timer>()

  now(): number { return this.#now }

  after(milliseconds: number, work: () => void): () => void {
    const timer = { at: this.#now + milliseconds, serial: ++this.#serial, work }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** What falls due runs in order, and what it causes runs before the next. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    await turns()
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.serial - b.serial)
      if (!next) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.work()
      await turns()
    }
    this.#now = end
  }
}

/** Lets everything that is ready run. */
export async function turns(count = 3): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
