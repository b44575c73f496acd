/** Calls that wait for a service which is still coming up: they end when it is live, when nothing can bring it, or at a deadline. */
import { within, type Clock } from "../clock.ts"
import { Unavailable } from "../errors.ts"
import type { Realm } from "./realm.ts"

interface Arrival { realm: Realm; service: string; resolve(): void; reject(error: Error): void }

export class Arrivals {
  readonly #clock: Clock
  readonly #waiting = new Set<Arrival>()

  constructor(clock: Clock) { this.#clock = clock }

  wait(realm: Realm, service: string, milliseconds: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const arrival: Arrival = { realm, service, resolve, reject }
    this.#waiting.add(arrival)
    queueMicrotask(() => this.check())
    return within(this.#clock, milliseconds, `waiting for "${service}"`, promise).finally(() => this.#waiting.delete(arrival))
  }

  /** After every commit, and whenever a unit or the kernel comes to rest. */
  check(): void {
    for (const { realm, service, resolve, reject } of this.#waiting) {
      if (realm.table.service(service)) resolve()
      else if (![realm, realm.parent ?? realm].some((each) => [...each.units.values()].some((unit) => unit.busy))) reject(new Unavailable(service))
    }
  }
}
