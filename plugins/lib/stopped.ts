/** Waiting for others no longer than until somebody says stop. */

/** What a promise gives, or undefined as soon as the signal aborts; nothing stays behind on a signal that outlives many waits. */
export function orStopped<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = () => resolve(undefined)
    if (signal.aborted) stop()
    signal.addEventListener("abort", stop, { once: true })
    promise.finally(() => signal.removeEventListener("abort", stop)).then(resolve, reject)
  })
}
