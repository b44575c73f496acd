/**
 * A tail: what is in the log, then what comes, each event once and in order. It listens before its last look, so nothing
 * falls in between; and it can be left at any time, also while it waits.
 */
import { Moved, type Graft } from "graft"
import type { Bell, Bells } from "./bells.ts"
import type { EventLog, StoredEvent } from "./contract.ts"
import { ForeignWriters } from "./foreign.ts"
import type { Reader } from "./reader.ts"

export class Tails {
  readonly #graft: Graft
  readonly #reader: Reader
  readonly #foreign: ForeignWriters
  #bells: Promise<Bells> | undefined
  #open: Bells | undefined

  constructor(graft: Graft, reader: Reader) {
    this.#graft = graft
    this.#reader = reader
    this.#foreign = new ForeignWriters(graft, () => this.#open?.ringAll())
    graft.defer(() => this.#open?.close())
  }

  ring(aggregate: string): void { this.#open?.ring(aggregate) }

  tail(query: Parameters<EventLog["tail"]>[0]): AsyncIterable<StoredEvent> {
    return {
      [Symbol.asyncIterator]: () => {
        const left = new AbortController()
        const events = this.#follow(query, left.signal)
        return {
          next: () => events.next(),
          return: (value) => {
            left.abort()
            return events.return(value)
          },
        }
      },
    }
  }

  async *#follow({ aggregate, after }: Parameters<EventLog["tail"]>[0], left: AbortSignal): AsyncGenerator<StoredEvent, void> {
    const { retiring } = this.#graft
    const stop = AbortSignal.any([left, retiring])
    let cursor = after
    let bell: Bell | undefined
    try {
      for (;;) {
        const { events, next, head } = await this.#reader.read({ aggregate, ...(cursor !== undefined && { after: cursor }) })
        for (const event of events) {
          if (left.aborted) return
          if (retiring.aborted) throw new Moved()
          yield event
        }
        cursor = next
        if (events.length > 0 && events.at(-1)!.seq < head) continue
        if (bell) await bell.rung(stop)
        else bell = await this.#join(aggregate)
        if (left.aborted) return
        if (retiring.aborted) throw new Moved()
      }
    } finally {
      await bell?.leave()
      if (bell) this.#foreign.leave()
    }
  }

  async #join(aggregate: string): Promise<Bell> {
    this.#bells ??= import("./bells.ts").then(({ openBells }) => openBells()).catch((error: unknown) => {
      this.#bells = undefined
      throw error
    })
    this.#open = await this.#bells
    await this.#foreign.join()
    try {
      return await this.#open.join(aggregate)
    } catch (error) {
      this.#foreign.leave()
      throw error
    }
  }
}
