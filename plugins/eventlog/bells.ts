/**
 * Doorbells: one for each aggregate that somebody follows, none for the others. A bell that has rung and was not heard
 * yet does not ring twice. Loaded by the first tail that has to wait, because Effect is not needed before.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as RcMap from "effect/RcMap"
import * as Scope from "effect/Scope"

export interface Bell {
  /** True when it rang, at any time since the last call; false when the signal aborted first. */
  rung(signal: AbortSignal): Promise<boolean>
  leave(): Promise<void>
}

export interface Bells {
  join(aggregate: string): Promise<Bell>
  ring(aggregate: string): void
  ringAll(): void
  /** Aggregates that are followed. */
  followed(): string[]
  close(): Promise<void>
}

export async function openBells(): Promise<Bells> {
  const scope = Scope.makeUnsafe()
  const lookup = () => Effect.acquireRelease(PubSub.sliding<void>(1), PubSub.shutdown)
  const bells = await Effect.runPromise(RcMap.make({ lookup: (_aggregate: string) => lookup() }).pipe(Scope.provide(scope)))
  const ring = (aggregate: string) => RcMap.getOption(bells, aggregate).pipe(
    Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: (bell) => PubSub.publish(bell, undefined) })),
    Effect.scoped,
  )
  const followed = () => Effect.runSync(RcMap.keys(bells).pipe(Effect.map((keys) => [...keys])))

  return {
    async join(aggregate) {
      const own = Scope.makeUnsafe()
      const heard = await Effect.runPromise(RcMap.get(bells, aggregate).pipe(Effect.flatMap(PubSub.subscribe), Scope.provide(own)))
      return {
        rung: async (signal) => Exit.isSuccess(await Effect.runPromiseExit(PubSub.take(heard), { signal })),
        leave: () => Effect.runPromise(Scope.close(own, Exit.void)),
      }
    },
    ring: (aggregate) => void Effect.runFork(ring(aggregate)),
    ringAll: () => { for (const aggregate of followed()) Effect.runFork(ring(aggregate)) },
    followed,
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  }
}
