/**
 * The way into the log: one append after the other through the store's writer, then everybody who waits is woken and
 * everybody who listens is told, in the order of the commits.
 */
import type { Store } from "../store/contract.ts"
import { append, textsOf } from "./append.ts"
import type { Append, Appended, Replicated } from "./contract.ts"
import type { Projections } from "./projections.ts"
import type { Reader } from "./reader.ts"
import { replicate } from "./replica.ts"
import type { Teller } from "./teller.ts"

/** Names whose numbers are remembered, and owners whose refusal is. */
const MOST_NAMES = 2_000
const MOST_OWNERS = 256

export interface Around { store: Store; projections: Projections; reader: Reader; teller: Teller; /** Wakes those who wait for events of an aggregate. */ ring(aggregate: string): void }

export class Appender {
  readonly #around: Around
  readonly #names = new Map<string, number>()
  /** Owner (aggregate and epoch) → why its append was refused, and the last one it had made by then. */
  readonly #refused = new Map<string, { error: unknown; until: number }>()
  #tickets = 0
  /** Appends that wait for the read models: who comes later goes on after them. */
  #waiting = 0

  constructor(around: Around) { this.#around = around }

  async append(batch: Append): Promise<Appended> {
    const { store, projections, teller, ring } = this.#around
    const texts = textsOf(batch)
    const { aggregate, epoch, location } = batch
    const owner = epoch === undefined ? undefined : `${epoch} ${aggregate}`
    const ticket = ++this.#tickets
    try {
      if (this.#waiting > 0 || !projections.isReady(batch.events)) {
        this.#waiting++
        try { await projections.ready(batch.events) } finally { this.#waiting-- }
      }
      const { kind, events, named, first, last, cursor, repeated } = await store.write((tx) => {
        this.#pass(owner, ticket)
        try {
          return append(tx, batch, texts, projections, this.#names)
        } catch (error) {
          throw this.#refuse(owner, error)
        }
      })
      if (named.size > 0) this.#learn(named)
      if (!repeated) {
        ring(aggregate)
        await teller.tell(location, kind, events)
      }
      return { first, last, cursor, repeated }
    } catch (error) {
      throw this.#refuse(owner, error)
    }
  }

  /** Events of another log: followers are woken, and nobody is told, because nothing happened now. */
  async replicate(aggregate: string, owner: string, events: readonly Replicated[]): Promise<{ head: number }> {
    const { store, projections, reader, ring } = this.#around
    const texts = textsOf({ aggregate, actor: owner, events })
    await projections.ready(events)
    const { head, added, named } = await store.write((tx) => replicate(tx, { aggregate, owner, events, texts, known: this.#names }, projections, reader))
    this.#learn(named)
    if (added > 0) ring(aggregate)
    return { head }
  }

  /** What an owner does next rests on what it did before: after one refusal it has to look again. */
  #refuse(owner: string | undefined, error: unknown): unknown {
    if (owner === undefined) return error
    if (this.#refused.size >= MOST_OWNERS) this.#refused.delete(this.#refused.keys().next().value!)
    this.#refused.set(owner, { error, until: this.#tickets })
    return error
  }

  #pass(owner: string | undefined, ticket: number): void {
    const refused = owner === undefined ? undefined : this.#refused.get(owner)
    if (!refused) return
    if (ticket <= refused.until) throw refused.error
    this.#refused.delete(owner!)
  }

  #learn(named: ReadonlyMap<string, number>): void {
    if (this.#names.size > MOST_NAMES) this.#names.clear()
    for (const [name, key] of named) this.#names.set(name, key)
  }
}
