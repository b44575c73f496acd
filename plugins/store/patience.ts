/** Waiting for a lock that another process holds, without blocking this one. */
import { setTimeout as sleep } from "node:timers/promises"
import { isBusy } from "./errors.ts"

/** Milliseconds that a lock is waited for before it is called busy. */
export const PATIENCE = 15_000

/** The first try is made at once, in the caller's own time; `undo` clears up after each that found the lock held. */
export async function patiently<T>(work: () => T, undo: () => void = () => {}, patience = PATIENCE): Promise<T> {
  for (let waited = 0, pause = 1; ; pause = Math.min(pause * 2, 50)) {
    try {
      return work()
    } catch (error) {
      undo()
      if (!isBusy(error) || waited >= patience) throw error
    }
    // Those who wait do not knock in step.
    const started = Date.now()
    await sleep(pause * (0.5 + Math.random()))
    waited += Date.now() - started
  }
}
