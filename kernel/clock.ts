/** Time as a value, so that every deadline can be tested without waiting; and the two ways to wait. */
import { KernelError } from "./errors.ts"

export interface Clock {
  /** Milliseconds since the epoch, with fractions. */
  now(): number
  /** Runs once after so many milliseconds; the returned function cancels. */
  after(milliseconds: number, work: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(milliseconds, work) {
    const timer = setTimeout(work, Math.min(milliseconds, 2 ** 31 - 1))
    return () => clearTimeout(timer)
  },
}

export const isThenable = (value: unknown): value is PromiseLike<unknown> => typeof (value as PromiseLike<unknown> | null)?.then === "function"

/** The one bound on a wait: settles as `work` does, or rejects with `Timeout` (the work itself goes on, unobserved). */
export function within<T>(clock: Clock, milliseconds: number, what: string, work: PromiseLike<T>): Promise<T> {
  if (milliseconds === Infinity) return Promise.resolve(work)
  return new Promise<T>((resolve, reject) => {
    const cancel = clock.after(milliseconds, () => reject(new KernelError("Timeout", `${what} did not end within ${milliseconds} ms`)))
    work.then((value) => (cancel(), resolve(value)), (error) => (cancel(), reject(error)))
  })
}

export const sleep = (clock: Clock, milliseconds: number): Promise<void> => new Promise((resolve) => void clock.after(milliseconds, resolve))

/** Waits for what may become true at any moment: whoever changes something that is waited for calls `check`. */
export class Conditions {
  readonly #looks = new Set<() => void>()

  /** Ends when `holds`; rejects with what that throws, or with `Timeout`. */
  until(clock: Clock, milliseconds: number, what: string, holds: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const look = () => { try { if (holds()) resolve() } catch (error) { reject(error) } }
    this.#looks.add(look)
    queueMicrotask(look)
    return within(clock, milliseconds, what, promise).finally(() => this.#looks.delete(look))
  }

  check(): void { if (this.#looks.size > 0) for (const look of this.#looks) look() }
}

/** The kernel's bounds, in milliseconds unless said. */
export const BOUNDS = {
  settle: 30, settleMost: 1_000, turn: 8, young: 250, rereads: [50, 100, 200], vanish: 150,
  load: 10_000, leg: 1_000, setup: 10_000, onCommit: 5_000,
  finalizer: 5_000, finalizers: 15_000, call: 5_000, handler: 5_000, notify: 30_000,
  drain: 30_000, stream: 600_000, grace: 2_000, retiring: 3, idleLocation: 600_000,
  cap: 1_000, depth: 16, journal: 1_000, sources: 5,
} as const
