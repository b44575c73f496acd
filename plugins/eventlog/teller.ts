/**
 * After a commit each event is told under its own type, in the realm of its project: no other project's plugins hear it.
 * A realm is held open for a while, since a session that works appends many times a second.
 */
import type { Graft } from "graft"
import type { StoredEvent } from "./contract.ts"
import { OWNED } from "./classes.ts"

/** Milliseconds without an event after which a realm is let go. */
const HOLD = 60_000

interface Place { there: Promise<Graft & Disposable>; used: boolean }

export class Teller {
  readonly #graft: Graft
  readonly #places = new Map<string, Place>()
  #sweeping = false

  constructor(graft: Graft) {
    this.#graft = graft
    graft.defer(() => this.#letGo(() => true))
  }

  /** What is stored stays stored: nothing here fails the append. */
  async tell(location: string | undefined, kind: string, events: readonly StoredEvent[]): Promise<void> {
    const [first] = events
    if (!first) return
    try {
      const { emit } = await (location === undefined ? this.#graft : this.#at(location))
      const noun = kind === OWNED ? "session" : "aggregate"
      for (const { aggregate, seq, created, type, data } of events) this.#emit(emit, type, { [noun]: aggregate, seq, created, data })
      this.#emit(emit, "eventlog.appended", { aggregate: first.aggregate, head: events.at(-1)!.seq, types: [...new Set(events.map(({ type }) => type))] })
    } catch (error) {
      this.#graft.log.warn(`events ${first.seq} to ${events.at(-1)!.seq} of ${first.aggregate} are stored, but could not be told in ${location}:`, error)
    }
  }

  /** A payload that the event's owner does not accept is not told, and the next one is. */
  #emit(emit: Graft["emit"], type: string, payload: object): void {
    try {
      emit(type as never, payload as never)
    } catch (error) {
      this.#graft.log.warn(`${type} was not told:`, error)
    }
  }

  #at(location: string): Promise<Graft & Disposable> {
    let place = this.#places.get(location)
    if (!place) {
      this.#places.set(location, (place = { there: this.#graft.at(location), used: true }))
      place.there.catch(() => this.#places.delete(location))
    }
    place.used = true
    this.#sweepLater()
    return place.there
  }

  #sweepLater(): void {
    if (this.#sweeping || this.#graft.retiring.aborted) return
    this.#sweeping = true
    this.#graft.timeout(HOLD, () => {
      this.#sweeping = false
      this.#letGo((place) => !place.used)
      for (const place of this.#places.values()) place.used = false
      if (this.#places.size > 0) this.#sweepLater()
    })
  }

  #letGo(which: (place: Place) => boolean): void {
    for (const [location, place] of this.#places) {
      if (!which(place)) continue
      this.#places.delete(location)
      place.there.then((there) => there[Symbol.dispose](), () => {})
    }
  }
}
