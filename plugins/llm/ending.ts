/**
 * Why a stream is given up before its end: whoever asked for it stopped it, this generation has to close, or nothing was
 * heard for too long. One timer a stream, not one a part: a part only leaves its mark.
 */

export interface Clock { /** Milliseconds that only grow. */ now(): number; after(milliseconds: number, work: () => void): () => void }

export const systemClock: Clock = {
  now: () => performance.now(),
  after(milliseconds, work) {
    const timer = setTimeout(work, Math.min(milliseconds, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}

export type Ended = "stopped" | "closed" | "silent"

export class Ending implements Disposable {
  readonly #controller = new AbortController()
  readonly #given = Promise.withResolvers<never>()
  readonly #clock: Clock
  readonly #idle: number
  readonly #undo: (() => void)[]
  #heard: number
  #open = true
  #timer: (() => void) | undefined
  /** Why, once it is so. */
  ended: Ended | undefined

  constructor({ asked, closing, idle, clock }: { asked?: AbortSignal; closing: AbortSignal; idle: number; clock: Clock }) {
    this.#clock = clock
    this.#idle = idle
    this.#heard = clock.now()
    this.#given.promise.catch(() => {})
    this.#undo = [this.#follow(asked, "stopped"), this.#follow(closing, "closed")]
    if (!this.ended) this.#watch(idle)
  }

  /** What the request is sent with: its abort closes the connection. */
  get signal(): AbortSignal { return this.#controller.signal }

  /** All was read: there is nothing to close. */
  over(): void { this.#open = false }

  heard(): void { this.#heard = this.#clock.now() }

  /** The work's result, or a rejection as soon as it is given up, whether or not the work hears the signal. */
  race<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {})
    return Promise.race([work, this.#given.promise])
  }

  /** Nobody reads any more: whatever is still open is closed. */
  [Symbol.dispose](): void {
    this.#timer?.()
    for (const undo of this.#undo) undo()
    if (this.#open) this.#controller.abort()
  }

  #end(why: Ended): void {
    this.ended ??= why
    this.#timer?.()
    this.#given.reject(new Error(why))
    this.#controller.abort()
  }

  #follow(signal: AbortSignal | undefined, why: Ended): () => void {
    const end = () => this.#end(why)
    if (signal?.aborted) end()
    else signal?.addEventListener("abort", end, { once: true })
    return () => signal?.removeEventListener("abort", end)
  }

  #watch(milliseconds: number): void {
    this.#timer = this.#clock.after(milliseconds, () => {
      const left = this.#heard + this.#idle - this.#clock.now()
      if (left <= 0) this.#end("silent")
      else this.#watch(left)
    })
  }
}
