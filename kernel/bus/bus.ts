/**
 * The event bus: notify tells, mutate passes immer drafts, decide asks. Listeners are isolated from each other and
 * from whoever emits: a throw, a rejection or a deadline is a fault of the listener alone.
 */
import { createDraft, enablePatches, finishDraft, freeze, isDraftable, type Patch } from "immer"
import type { Contribution, Meta } from "../instance.ts"
import type { Realm } from "../registry/realm.ts"
import type { Listener } from "../registry/table.ts"
import { BOUNDS, within, type Clock } from "../clock.ts"
import { KernelError } from "../errors.ts"
import { chain, runInChain } from "./attribution.ts"
import { validate } from "./validate.ts"
import type { Delivery } from "./inbox.ts"

enablePatches()

export const nounOf = (event: string): string => (event === "*" ? "*" : event.slice(0, (event.indexOf(".") + 1 || event.length + 1) - 1))

/** What the bus needs of the kernel. */
interface World { readonly clock: Clock; readonly root: Realm; readonly locations: ReadonlyMap<string, Realm> }

export class Bus {
  /** Counts what was told: a listener hears only what is told after it came. */
  sequence = 0
  readonly #world: World

  constructor(world: World) { this.#world = world }

  #meta(realm: Realm, event: string, by: string): Meta {
    return { event, by, at: this.#world.clock.now(), ...(realm.location === undefined ? {} : { location: realm.location }) }
  }

  /** What is told in a location is heard there and at the root; what is told at the root is heard everywhere. */
  emit(realm: Realm, event: string, payload: unknown, by: string): void {
    const { root, locations } = this.#world
    const policy = realm.table.eventPolicy(event)
    const checked = validate(policy?.schema, payload)
    if (!checked.ok) throw new KernelError("Invalid", `${event}: ${checked.message}`)
    const meta = this.#meta(realm, event, by)
    const sequence = ++this.sequence
    const tell = (to: Realm) => { for (const inbox of to.table.audience(event)) inbox.push({ event, payload, meta, sequence, dropped: false }, to.table.eventPolicy(event)) }
    tell(root)
    if (realm !== root) tell(realm)
    else for (const location of locations.values()) tell(location)
  }

  /** Hands one delivery to the listeners that are live now and were there when it was told. */
  deliver(realm: Realm, plugin: string, noun: string, delivery: Delivery): void | Promise<void> {
    const listeners = realm.table.listenersOf(plugin, noun === "*" ? "*" : delivery.event)
    for (let i = 0; i < listeners.length; i++) {
      const work = this.#hand(realm, listeners[i]!, delivery)
      if (work) return this.#rest(realm, listeners, i + 1, delivery, work)
    }
  }

  async #rest(realm: Realm, listeners: readonly Listener[], from: number, delivery: Delivery, work: Promise<void>): Promise<void> {
    await work
    for (let i = from; i < listeners.length; i++) await this.#hand(realm, listeners[i]!, delivery)
  }

  #hand(realm: Realm, listener: Listener, delivery: Delivery): void | Promise<void> {
    if (listener.since > delivery.sequence || !listener.generation.enterable) return
    const deadline = listener.options?.deadline ?? realm.table.eventPolicy(delivery.event)?.deadline ?? BOUNDS.notify
    return listener.generation.handle(`on ${delivery.event}`, deadline, () => listener.handler(delivery.payload, delivery.meta))
  }

  async mutate(realm: Realm, event: string, value: unknown, by: string): Promise<{ value: unknown; patches: Contribution[] }> {
    const meta = this.#meta(realm, event, by)
    if (!isDraftable(value)) throw new KernelError("Invalid", `${event}: only plain objects, arrays, maps and sets can be mutated`)
    const patches: Contribution[] = []
    let current = freeze(value, true)
    await this.#each(realm, event, async (listener) => {
      const draft = createDraft(current as object)
      await this.#run(realm, listener, event, () => listener.handler(draft, meta))
      let changes: Patch[] = []
      const next = finishDraft(draft, (forward) => { changes = forward })
      const checked = validate(realm.table.eventPolicy(event)?.schema, next)
      if (!checked.ok) throw new KernelError("Invalid", `its draft of ${event} was thrown away: ${checked.message}`)
      if (changes.length === 0) return
      current = freeze(next, true)
      patches.push({ by: listener.generation.name, patches: changes })
    })
    return { value: current, patches }
  }

  async decide(realm: Realm, event: string, ask: unknown, by: string): Promise<unknown> {
    const meta = this.#meta(realm, event, by)
    let answer: unknown
    await this.#each(realm, event, async (listener) => {
      answer = await this.#run(realm, listener, event, () => listener.handler(ask, meta))
      return answer !== undefined
    })
    return answer
  }

  #run(realm: Realm, listener: Listener, event: string, work: () => unknown): Promise<unknown> {
    return within(this.#world.clock, listener.options?.deadline ?? realm.table.eventPolicy(event)?.deadline ?? BOUNDS.handler, `on ${event}`, Promise.resolve(runInChain(listener.generation, event, work)))
  }

  /** The root's listeners, then the location's; pinned and leased from the start, liveness checked right before each. */
  async #each(realm: Realm, event: string, visit: (listener: Listener) => Promise<boolean | void>): Promise<void> {
    const path = chain()
    if (path.length >= BOUNDS.depth) throw new KernelError("Depth", `mutate and decide nested ${BOUNDS.depth} deep: ${[...path, event].join(" → ")}`)
    const { root } = this.#world
    const listeners = [...root.table.listeners(event), ...(realm === root ? [] : realm.table.listeners(event))]
    const leases = listeners.map((listener) => listener.generation.lease("call"))
    try {
      for (const listener of listeners) {
        if (!listener.generation.enterable) continue
        const stop = await listener.generation.account(`on ${event}`, () => visit(listener))
        if (stop === true) return
      }
    } finally {
      for (const release of leases) release()
    }
  }
}
