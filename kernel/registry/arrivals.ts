/** Who waits for a service: calls, until it is live, nothing can bring it, or a deadline; and plugins, with the whole path of their wait. */
import { within, type Clock } from "../clock.ts"
import { Unavailable } from "../errors.ts"
import type { Unit } from "../loader/unit.ts"
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

/** The path of a wait to its end; a circle is said as one. */
export function whyWaiting(unit: Unit, root: Realm): string {
  const path = [unit]
  const services: string[] = []
  for (let at = unit; ; ) {
    const service = at.waitsFor[0]!
    services.push(service)
    const waits = `waits for "${services.join('" → "')}"`
    const next = [...unit.realm.units.values(), ...root.units.values()].find((other) => !other.live && other.offers.has(service))
    if (!next) return `${waits}: nobody provides "${service}"`
    if (path.includes(next)) return `waits in a circle: ${[...path.slice(path.indexOf(next)), next].map(({ id }) => id).join(" → ")}`
    if (!next.waitsFor.length) return `${waits} of ${next.id}, which is ${next.status}: ${next.reason}`
    path.push((at = next))
  }
}
