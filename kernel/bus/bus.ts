/**
 * The event bus: notify tells, mutate passes immer drafts, decide asks. Listeners are isolated from each other and
 * from whoever emits: a throw, a rejection or a deadline is a fault of the listener alone.
 */
import { createDraft, enablePatches, finishDraft, freeze, isDraftable, type Patch } from "immer"
import type { Contribution, Meta } from "../instance.ts"
import type { Kernel } from "../kernel.ts"
import type { Realm } from "../registry/realm.ts"
import type { Listener } from "../registry/table.ts"
import { BOUNDS } from "../clock.ts"
import { KernelError } from "../errors.ts"
import { chain, runInChain } from "./attribution.ts"
import { validate } from "./validate.ts"
import type { Delivery } from "./inbox.ts"

enablePatches()

export const nounOf = (event: string): string => (event === "*" ? "*" : event.slice(0, (event.indexOf(".") + 1 || event.length + 1) - 1))

/** What the bus needs of the kernel. */
type World = Pick<Kernel, "clock" | "root" | "locations">

export class Bus {
  /** Counts what was told: a listener hears only what is told after it came. */
  sequence = 0
  readonly #world: World

  constructor(world: World) { this.#world = world }

  #meta(realm: Realm, event: string, by: string): Meta {
    const { location } = realm
    const at = this.#world.clock.now()
    return location === undefined ? { event, by, at } : { event, by, at, location }
  }

  /** What is told in a location is heard there and at the root; what is told at the root is heard everywhere. */
  emit(realm: Realm, event: string, payload: unknown, by: string): void {
    const { root, locations } = this.#world
    validate(realm.table.eventPolicy(event)?.schema, payload, `${event}: `)
    const meta = this.#meta(realm, event, by)
    const sequence = ++this.sequence
    const tell = ({ table }: Realm) => {
      const policy = table.eventPolicy(event)
      for (const inbox of table.audience(event)) inbox.push({ event, payload, meta, sequence }, policy)
    }
    tell(root)
    if (realm !== root) tell(realm)
    else for (const location of locations.values()) tell(location)
  }

  /** Hands one delivery, in order, to the listeners that are live now and were there when it was told. */
  deliver(realm: Realm, listeners: readonly Listener[], delivery: Delivery, from = 0): void | Promise<void> {
    const { event, payload, meta, sequence } = delivery
    for (let i = from; i < listeners.length; i++) {
      const listener = listeners[i]!
      const { generation, handler, since } = listener
      if (since > sequence || !generation.enterable) continue
      const work = generation.handle(`on ${event}`, deadlineOf(realm, event, listener, BOUNDS.notify), () => handler(payload, meta))
      if (work) return work.then(() => this.deliver(realm, listeners, delivery, i + 1))
    }
  }

  /** Each listener gets a draft of what the ones before it left. */
  async mutate(realm: Realm, event: string, value: unknown, by: string): Promise<{ value: unknown; patches: Contribution[] }> {
    if (!isDraftable(value)) throw new KernelError("Invalid", `${event}: only plain objects, arrays, maps and sets can be mutated`)
    const patches: Contribution[] = []
    let current: unknown = freeze(value, true)
    let draft: unknown
    await this.#ask(realm, event, by, () => (draft = createDraft(current as object)), (_, { generation }) => {
      let changes: Patch[] = []
      const next = finishDraft(draft, (forward) => { changes = forward })
      validate(realm.table.eventPolicy(event)?.schema, next, `its draft of ${event} was thrown away: `)
      if (changes.length === 0) return
      current = freeze(next, true)
      patches.push({ by: generation.name, patches: changes })
    })
    return { value: current, patches }
  }

  /** The first answer. */
  async decide(realm: Realm, event: string, ask: unknown, by: string): Promise<unknown> {
    let answer: unknown
    await this.#ask(realm, event, by, () => ask, (given) => (answer = given) !== undefined)
    return answer
  }

  /** The root's listeners, then the location's, until one of them is enough; pinned and leased from the start, liveness checked right before each. */
  async #ask(realm: Realm, event: string, by: string, prepare: () => unknown, accept: (answer: unknown, listener: Listener) => boolean | void): Promise<void> {
    const path = chain()
    if (path.length >= BOUNDS.depth) throw new KernelError("Depth", `mutate and decide nested ${BOUNDS.depth} deep: ${[...path, event].join(" → ")}`)
    const { root } = this.#world
    const meta = this.#meta(realm, event, by)
    const listeners = [...root.table.listeners(event), ...(realm === root ? [] : realm.table.listeners(event))]
    const leases = listeners.map(({ generation }) => generation.lease())
    let enough: boolean | void = false
    try {
      for (const listener of listeners) {
        const { generation, handler } = listener
        if (enough) return
        if (!generation.enterable) continue
        const asked = () => runInChain(event, () => handler(prepare(), meta))
        await generation.handle(`on ${event}`, deadlineOf(realm, event, listener, BOUNDS.handler), asked, (answer) => { enough = accept(answer, listener) })
      }
    } finally {
      for (const release of leases) release()
    }
  }
}

/** Its own, else what the owner of the event says, else the kernel's. */
const deadlineOf = (realm: Realm, event: string, { deadline }: Listener, bound: number): number =>
  deadline ?? realm.table.eventPolicy(event)?.deadline ?? bound
