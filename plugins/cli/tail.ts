/** Follows the durable events of one session from a cursor, across reloads of whoever serves them. */
import type { StoredEvent } from "../eventlog/contract.ts"
import type { Workplace } from "./workplace.ts"

type Source = Pick<Workplace, "retiring"> & { readonly session: Pick<Workplace["session"], "events"> }

export class Tail {
  #cursor: number
  #stopped = false
  #failure: unknown
  #waiters: { seq: number; resolve(): void; reject(error: unknown): void }[] = []

  constructor(graft: Source, session: string, after: number, hear: (event: StoredEvent) => void) {
    this.#cursor = after
    graft.retiring.addEventListener("abort", () => this.stop(), { once: true })
    void this.#follow(graft, session, hear).catch((error: unknown) => {
      this.#failure = error
      for (const { reject } of this.#waiters.splice(0)) reject(error)
    })
  }

  /** The last event that was heard. */
  get cursor(): number { return this.#cursor }

  /** Once everything up to here was heard. */
  async reached(seq: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#cursor < seq) await new Promise<void>((resolve, reject) => this.#waiters.push({ seq, resolve, reject }))
  }

  /** What still comes is not heard any more. */
  stop(): void { this.#stopped = true }

  async #follow(graft: Source, session: string, hear: (event: StoredEvent) => void): Promise<void> {
    while (!this.#stopped) {
      try {
        for await (const event of graft.session.events(session, { after: this.#cursor })) {
          if (this.#stopped) return
          this.#cursor = event.seq
          hear(event)
          for (const waiter of this.#waiters) if (waiter.seq <= event.seq) waiter.resolve()
          this.#waiters = this.#waiters.filter(({ seq }) => seq > event.seq)
        }
      } catch (error) {
        if ((error as { code?: unknown } | null)?.code !== "Moved") throw error
      }
    }
  }
}
