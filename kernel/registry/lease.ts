/** Leases: a call or a stream entered on a generation runs to its end there; the generation closes only afterwards, or at a deadline. */
import { KernelError, Moved } from "../errors.ts"
import { runAs } from "../bus/attribution.ts"
import type { Generation } from "../loader/generation.ts"

const isThenable = (value: unknown): value is PromiseLike<unknown> => typeof (value as PromiseLike<unknown> | null)?.then === "function"
const isStream = (value: unknown): value is AsyncIterable<unknown> => typeof (value as AsyncIterable<unknown> | null)?.[Symbol.asyncIterator] === "function"

/** Runs one method of a service. `again` makes the call anew on the next generation when this one ended it with `Moved`. */
export function serve(provider: Generation, during: string, work: () => unknown, again?: () => unknown): unknown {
  provider.unit.calls++
  let result: unknown
  try {
    result = runAs(provider, work)
  } catch (error) {
    provider.failed(during, error)
    return failing(error)
  }
  if (isStream(result)) return leasedStream(provider, during, result)
  if (!isThenable(result)) return Promise.resolve(result)
  return new Promise((resolve, reject) => {
    provider.calls.add(reject)
    result.then((value) => {
      end(provider, reject)
      resolve(isStream(value) ? leasedStream(provider, during, value) : value)
    }, (error: unknown) => {
      end(provider, reject)
      if (error instanceof Moved && again && provider.state !== "live") return resolve(again())
      provider.failed(during, error)
      reject(error)
    })
  })
}

function end(provider: Generation, reject: (error: Error) => void): void {
  provider.calls.delete(reject)
  provider.released()
}

/** Leases from the first `next()` to the end; a generation that is forced closed ends its streams with `Retired`. */
function leasedStream(provider: Generation, during: string, stream: AsyncIterable<unknown>): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = runAs(provider, () => stream[Symbol.asyncIterator]())
      let release: (() => void) | undefined
      let ended = false
      const step = (work: () => Promise<IteratorResult<unknown>>): Promise<IteratorResult<unknown>> => {
        if (ended) return Promise.resolve({ done: true, value: undefined })
        if (provider.state === "closed") return Promise.reject(new KernelError("Retired", `${during}: ${provider.name} was closed`))
        release ??= provider.lease("stream")
        return new Promise((resolve, reject) => {
          provider.calls.add(reject)
          const finish = (last: boolean) => {
            end(provider, reject)
            if (!last) return
            ended = true
            release?.()
          }
          runAs(provider, work).then((result) => (finish(result.done === true), resolve(result)), (error: unknown) => {
            finish(true)
            if (!(error instanceof Moved)) provider.failed(during, error)
            reject(error)
          })
        })
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
