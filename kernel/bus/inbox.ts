/**
 * One inbox per subscriber, realm and noun: what is told is queued here and handed over in order. It is bounded
 * (the oldest of an event is dropped and counted), it belongs to the plugin, and it outlives its generations.
 */
import type { EventPolicy, Meta } from "../instance.ts"
import { BOUNDS } from "../clock.ts"

export interface Delivery { event: string; payload: unknown; meta: Meta; sequence: number; key?: string; dropped: boolean }
export interface Counters { emitted: number; delivered: number; dropped: number; coalesced: number }

export class Inbox {
  readonly counters: Counters = { emitted: 0, delivered: 0, dropped: 0, coalesced: 0 }
  readonly #deliver: (delivery: Delivery) => void | Promise<void>
  readonly #busy: (delta: 1 | -1) => void
  #queue: Delivery[] = []
  #head = 0
  #running = false
  #pendingByEvent = new Map<string, number>()

  /** `busy` hears +1 when the first delivery is queued and -1 when the last one ended. `deliver` never throws. */
  constructor(deliver: (delivery: Delivery) => void | Promise<void>, busy: (delta: 1 | -1) => void) {
    this.#deliver = deliver
    this.#busy = busy
  }

  get pending(): number {
    let sum = 0
    for (const count of this.#pendingByEvent.values()) sum += count
    return sum
  }

  push(delivery: Delivery, policy: EventPolicy | undefined): void {
    this.counters.emitted++
    if (policy?.coalesce) {
      delivery.key = policy.coalesce(delivery.payload as never)
      const waiting = this.#find((other) => other.event === delivery.event && other.key === delivery.key)
      if (waiting) {
        waiting.payload = delivery.payload
        waiting.meta = delivery.meta
        this.counters.coalesced++
        return
      }
    }
    const pending = this.#pendingByEvent.get(delivery.event) ?? 0
    if (pending >= (policy?.cap ?? BOUNDS.cap)) {
      const oldest = this.#find((other) => other.event === delivery.event)
      if (oldest) this.#drop(oldest)
    } else this.#pendingByEvent.set(delivery.event, pending + 1)
    this.#queue.push(delivery)
    if (this.#running) return
    this.#running = true
    this.#busy(1)
    queueMicrotask(() => void this.#drain())
  }

  /** Nothing of it is kept, and its place in the queue not for long. */
  #drop(delivery: Delivery): void {
    delivery.dropped = true
    delivery.payload = undefined
    this.counters.dropped++
    if (this.counters.dropped % BOUNDS.cap) return
    this.#queue = this.#queue.slice(this.#head).filter(({ dropped }) => !dropped)
    this.#head = 0
  }

  #find(matches: (delivery: Delivery) => boolean): Delivery | undefined {
    for (let i = this.#head; i < this.#queue.length; i++) if (!this.#queue[i]!.dropped && matches(this.#queue[i]!)) return this.#queue[i]
    return undefined
  }

  async #drain(): Promise<void> {
    for (let handed = 1; this.#head < this.#queue.length; ) {
      const delivery = this.#queue[this.#head++]!
      if (this.#head > 512 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head)
        this.#head = 0
      }
      if (delivery.dropped) continue
      this.#pendingByEvent.set(delivery.event, this.#pendingByEvent.get(delivery.event)! - 1)
      this.counters.delivered++
      const work = this.#deliver(delivery)
      if (work) await work
      // A handler that emits what it hears must not starve the loop of everybody else.
      else if (handed++ % BOUNDS.cap === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    this.#queue = []
    this.#head = 0
    this.#running = false
    this.#busy(-1)
  }
}
