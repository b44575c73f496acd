/** Leases: a call or a stream entered on a generation runs to its end there; the generation closes only afterwards, or at a deadline. */
import type { Remove } from "../instance.ts"
import { isThenable } from "../clock.ts"
import { KernelError, Moved } from "../errors.ts"
import { runAs } from "../bus/attribution.ts"
import type { Generation } from "../loader/generation.ts"

const isStream = (value: unknown): value is AsyncIterable<unknown> => typeof (value as AsyncIterable<unknown> | null)?.[Symbol.asyncIterator] === "function"

/** A lease is a function in the set of what it holds open: called, it leaves the set, once, and says so. */
export function leaseIn(set: { add(lease: Remove): unknown; delete(lease: Remove): boolean }, released: () => void): Remove {
  const release = () => { if (set.delete(release)) released() }
  set.add(release)
  return release
}

/** Runs one method of a service. `again` makes the call anew on the next generation when this one ended it with `Moved`. */
export function serve(provider: Generation, during: string, work: () => unknown, again: () => unknown): unknown {
  provider.unit.counters.calls++
  let result: unknown
  try {
    result = runAs(provider, work)
  } catch (error) {
    provider.failed(during, error)
    return failing(error)
  }
  if (isStream(result)) return leasedStream(provider, during, result)
  if (!isThenable(result)) return Promise.resolve(result)
  return leased(provider, during, result, (value) => (isStream(value) ? leasedStream(provider, during, value) : value), again)
}

/** Settles as `work` does, with what `give` makes of it; until then it is a lease, and rejected when the generation is forced closed. */
function leased<T>(provider: Generation, during: string, work: PromiseLike<T>, give: (value: T) => unknown, again?: () => unknown): Promise<any> {
  return new Promise((resolve, reject) => {
    provider.calls.add(reject)
    work.then((value) => {
      provider.endCall(reject)
      resolve(give(value))
    }, (error: unknown) => {
      provider.endCall(reject)
      const moved = error instanceof Moved
      if (moved && again && provider.state !== "live") return resolve(again())
      if (!moved) provider.failed(during, error)
      reject(error)
    })
  })
}

/** Leases from the first `next()` to the end; a generation that is forced closed ends its streams with `Retired`. */
function leasedStream(provider: Generation, during: string, stream: AsyncIterable<unknown>): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = runAs(provider, () => stream[Symbol.asyncIterator]())
      let release: (() => void) | undefined
      let ended = false
      const end = () => {
        ended = true
        release?.()
      }
      const step = (work: () => Promise<IteratorResult<unknown>>): Promise<IteratorResult<unknown>> => {
        if (ended) return Promise.resolve({ done: true, value: undefined })
        if (provider.state === "closed") return Promise.reject(new KernelError("Retired", `${during}: ${provider.name} was closed`))
        release ??= provider.lease(provider.streams)
        const part = leased(provider, during, runAs(provider, work), (result) => (result.done && end(), result))
        part.catch(end)
        return part
      }
      return {
        next: () => step(() => iterator.next()),
        return: (value?: unknown) => step(async () => (await iterator.return?.(value), { done: true, value })),
        throw: (error?: unknown) => step(async () => (iterator.throw ? iterator.throw(error) : Promise.reject(error))),
      }
    },
  }
}

/** A rejection that can be awaited or iterated, and harms nobody when it is neither. */
export function failing(error: unknown): unknown {
  const promise = Promise.reject(error)
  promise.catch(() => {})
  return hybrid(promise)
}

/** Whether a method gives a promise or a stream is known only once it is called: until then the result can be used as either. */
export function hybrid(result: Promise<unknown>): unknown {
  return Object.assign(result, {
    async *[Symbol.asyncIterator]() { yield* (await result) as AsyncIterable<unknown> },
  })
}
