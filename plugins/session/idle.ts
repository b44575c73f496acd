/** Who waits for a session of this process to become idle, in memory. */
import type { Ended } from "./contract.ts"
import type { Idle } from "./sessions.ts"

export interface Waiters extends Idle { tell(ended: Ended): void }

export function makeWaiters(): Waiters {
  const waiting = new Map<string, Set<(ended: Ended) => void>>()
  return {
    tell(ended) {
      for (const resolve of waiting.get(ended.session) ?? []) resolve(ended)
    },
    next(session, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<Ended>()
      const set = waiting.get(session) ?? new Set()
      waiting.set(session, set.add(resolve))
      const leave = () => {
        set.delete(resolve)
        if (set.size === 0 && waiting.get(session) === set) waiting.delete(session)
        reject(signal.reason)
      }
      if (signal.aborted) leave()
      else signal.addEventListener("abort", leave, { once: true })
      // Whoever stopped waiting hears no rejection.
      promise.catch(() => {})
      return promise
    },
  }
}
