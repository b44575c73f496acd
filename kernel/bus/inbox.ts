/**
 * One inbox per subscriber, realm and noun: what is told is queued here and handed over in order. It is bounded
 * (the oldest of an event is dropped and counted), it belongs to the plugin, and it outlives its generations.
 */
import type { EventPolicy, Meta } from "../instance.ts"
import { BOUNDS } from "../clock.ts"

export interface Delivery { event: string; payload: unknown; meta: Meta; sequence: number; key?: string }
export interface Counters { emitted: number; delivered: number; dropped: number; coalesced: number }

export class Inbox {
  readonly counters: Counters = { emitted: 0, delivered: 0, dropped: 0, coalesced: 0 }
  readonly #deliver: (delivery: Delivery) => void | Promise<void>
  readonly #busy: (delta: 1 | -1) => void
  /** In the order of telling. */
  readonly #queue: Delivery[] = []
  readonly #pendingByEvent = new Map<string, number>()
  #running = false

  /** `busy` hears +1 when the first delivery is queued and -1 when the last one ended. `deliver` never throws. */
  constructor(deliver: (delivery: Delivery) => void | Promise<void>, busy: (delta: 1 | -1) => void) {
    this.#deliver = deliver
    this.#busy = busy
  }

  get pending(): number { return this.#queue.length }

  push(delivery: Delivery, policy: EventPolicy | undefined): void {
    const { event, payload, meta } = delivery
    this.counters.emitted++
    if (policy?.coalesce) {
      delivery.key = policy.coalesce(payload as never)
      const waiting = this.#queue.find((other) => other.event === event && other.key === delivery.key)
      if (waiting) {
        this.counters.coalesced++
        return void Object.assign(waiting, { payload, meta })
      }
    }
    if (this.#count(event, 1) > Math.max(1, policy?.cap ?? BOUNDS.cap)) {
      const oldest = this.#queue.findIndex((other) => other.event === event)
      // Nearly always the first, which is by far the cheapest to take.
      if (oldest === 0) this.#queue.shift()
      else this.#queue.splice(oldest, 1)
      this.#count(event, -1)
      this.counters.dropped++
    }
    this.#queue.push(delivery)
    if (this.#running) return
    this.#running = true
    this.#busy(1)
    queueMicrotask(() => void this.#drain())
  }

  #count(event: string, delta: 1 | -1): number {
    const count = (this.#pendingByEvent.get(event) ?? 0) + delta
    this.#pendingByEvent.set(event, count)
    return count
  }

  async #drain(): Promise<void> {
    for (let handed = 1, delivery = this.#queue.shift(); delivery; delivery = this.#queue.shift()) {
      this.#count(delivery.event, -1)
      this.counters.delivered++
      const work = this.#deliver(delivery)
      if (work) await work
      // A handler that emits what it hears must not starve the loop of everybody else.
      else if (handed++ % BOUNDS.cap === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    this.#running = false
    this.#busy(-1)
  }
}
