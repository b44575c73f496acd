/** How often one address may ask: a bucket each, as large as what comes into it in a second. */

/** Addresses that are remembered; the one longest silent is forgotten first, and begins anew with a full bucket. */
const MOST = 1_024

export class Rate {
  readonly #perSecond: number
  readonly #now: () => number
  readonly #buckets = new Map<string, { left: number; at: number }>()

  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond
    this.#now = now
  }

  take(address: string): boolean {
    const now = this.#now()
    const bucket = this.#buckets.get(address) ?? { left: this.#perSecond, at: now }
    bucket.left = Math.min(this.#perSecond, bucket.left + ((now - bucket.at) / 1_000) * this.#perSecond)
    bucket.at = now
    this.#buckets.delete(address)
    this.#buckets.set(address, bucket)
    if (this.#buckets.size > MOST) this.#buckets.delete(this.#buckets.keys().next().value!)
    if (bucket.left < 1) return false
    bucket.left--
    return true
  }
}
