/**
 * A generation: one activation of a plugin in one realm, and the scope that owns everything it registered. Staged, it
 * changes nothing in the world; live, its registrations are in the table; retiring, it serves out its leases; closed, it
 * owns nothing.
 */
import type { GenerationView } from "../control.ts"
import type { Cleanup, Definition, ListenOptions, Remove, RowChange } from "../instance.ts"
import type { Fault } from "../vocabulary.ts"
import type { Realm } from "../registry/realm.ts"
import type { Listener, SlotRow } from "../registry/table.ts"
import type { Unit } from "./unit.ts"
import type { Evaluation } from "./evaluation.ts"
import { BOUNDS, Conditions, isThenable, within } from "../clock.ts"
import { isCrash, KernelError } from "../errors.ts"
import { runAs, type Owner } from "../bus/attribution.ts"
import { leaseIn } from "../registry/lease.ts"
import { once } from "../registry/once.ts"

/** Work for the commit; what it promises belongs to the commit as well. */
type CommitWork = () => void | Promise<void>

export class Generation implements Owner {
  readonly unit: Unit
  readonly gen: number
  /** `plugin@gen`. */
  readonly name: string
  readonly evaluation: Evaluation
  options: unknown
  readonly since: number
  state: GenerationView["state"] = "staged"
  /** Services that setup called or declared: when one is gone for good, this plugin waits. */
  readonly observed: Set<string>
  /** Services whose methods it took, whenever. */
  readonly used = new Set<string>()
  /** The first service that setup called and did not find. */
  unavailable: string | undefined
  readonly services = new Map<string, object>()
  readonly rows = new Map<string, Map<string, SlotRow>>()
  listeners: Listener[] = []
  readonly slotListeners = new Set<{ realm: Realm; slot: string; listener: (change: RowChange<unknown>) => void }>()
  readonly commitWork: CommitWork[] = []
  optionsListener: ((next: never, previous: never) => "reload" | void) | undefined
  /** What holds it open: calls up to the drain deadline, streams up to their own longer one. A call is told of a forced close. */
  readonly calls = new Set<(error: Error) => void>()
  readonly streams = new Set<(error: Error) => void>()
  readonly timers = new Set<Remove>()
  readonly forks = new Set<Promise<void>>()
  /** Served long enough: others wait to retire. */
  forced = false
  readonly #work = new AbortController()
  readonly #retiring = new AbortController()
  readonly #finalizers: { during: string; work: Cleanup }[] = []
  readonly #held = new Set<Remove>()
  readonly #armed: CommitWork[] = []
  readonly #leases = new Conditions()
  #closing: Promise<void> | undefined
  #index = 0

  constructor(unit: Unit, gen: number, evaluation: Evaluation, options: unknown) {
    this.unit = unit
    this.gen = gen
    this.name = `${unit.id}@${gen}`
    this.evaluation = evaluation
    this.options = options
    this.since = unit.kernel.clock.now()
    this.observed = new Set(evaluation.definition.needs)
  }

  get realm(): Realm { return this.unit.realm }
  get definition(): Definition<never, never> { return this.evaluation.definition }
  get signal(): AbortSignal { return this.#work.signal }
  get retiring(): AbortSignal { return this.#retiring.signal }
  /** May its handlers and methods be entered? Checked right before each entry. */
  get enterable(): boolean { return this.state !== "closed" }
  /** Does its commit not stand yet? Till then nothing that it tells, adds or starts may be seen. */
  get tentative(): boolean { return this.state === "staged" || (this.state === "live" && this.unit.gen < this.gen) }
  get leases(): number { return this.calls.size + this.streams.size }
  get cleanups(): number { return this.#finalizers.length }

  // ── what it registers ───────────────────────────────────────────────────────────────────────────────────────────

  /** Registering needs a generation that is staged or live. */
  open(what: string): void {
    if (this.state === "retiring" || this.state === "closed") throw new KernelError("Retired", `${what}: ${this.name} is ${this.state}; a newer generation took over`)
  }

  listen(event: string, handler: Listener["handler"], { order = 0, deadline }: ListenOptions = {}): Remove {
    this.open(`on("${event}")`)
    const since = this.state === "live" ? this.unit.kernel.bus.sequence + 1 : 0
    const listener: Listener = { event, handler, order, deadline, index: this.#index++, since, generation: this }
    this.listeners.push(listener)
    this.#changed()
    return () => {
      this.listeners = this.listeners.filter((other) => other !== listener)
      this.#changed()
    }
  }

  provide(service: string, implementation: object): void {
    if (this.state !== "staged") throw new KernelError("Retired", `provide("${service}") belongs in setup`)
    if (this.services.has(service)) throw new KernelError("Invalid", `${this.unit.id} provides "${service}" twice`)
    this.services.set(service, implementation)
  }

  /** Adds rows; live, the difference is told at once. Within one plugin a later row of the same key replaces the earlier. */
  add(slot: string, items: unknown[], { key: given, order = 0 }: { key?: string; order?: number } = {}): Remove {
    this.open(`add("${slot}")`)
    const keyOf = this.realm.table.slotPolicy(slot)?.key ?? this.definition.slots?.[slot]?.key
    const mine: SlotRow[] = items.map((item) => {
      const named = item as { id?: unknown; name?: unknown } | null
      const index = this.#index++
      const key = given ?? keyOf?.(item as never) ?? String(named?.id ?? named?.name ?? `#${index}`)
      return { slot, key, item, order, index, generation: this, owner: this.name, run: (work) => this.attribute(`${slot} ${key}`, work) }
    })
    this.#edit(slot, (rows) => { for (const row of mine) rows.set(row.key, row) })
    return () => this.#edit(slot, (rows) => { for (const row of mine) if (rows.get(row.key) === row) rows.delete(row.key) })
  }

  #edit(slot: string, edit: (rows: Map<string, SlotRow>) => void): void {
    const rows = once(this.rows, slot, () => new Map<string, SlotRow>())
    const before = [...rows.values()]
    edit(rows)
    this.#changed()
    if (this.state === "live" && !this.tentative) this.unit.kernel.tellRows(this.realm, before, [...rows.values()])
  }

  /** Every row, for the difference that a commit makes. */
  allRows(): SlotRow[] { return [...this.rows.values()].flatMap((rows) => [...rows.values()]) }

  #changed(): void { if (this.state === "live") this.unit.kernel.invalidate(this.realm) }

  watchSlot(realm: Realm, slot: string, listener: (change: RowChange<unknown>) => void): Remove {
    this.open(`all("${slot}").onChange`)
    const entry = { realm, slot, listener }
    this.slotListeners.add(entry)
    return () => void this.slotListeners.delete(entry)
  }

  defer(during: string, work: Cleanup): void {
    this.open("defer")
    this.#finalizers.push({ during, work })
  }

  /** What is given back when asked for, at the latest when this generation closes. */
  hold(release: () => void): Remove {
    const giveBack = leaseIn(this.#held, release)
    if (this.state === "closed") giveBack()
    return giveBack
  }

  fork(work: (signal: AbortSignal) => Promise<void>, hold = false): void {
    this.open("a timer or fork")
    this.arm(() => {
      const release = hold ? this.lease(this.streams) : () => {}
      const failed = (error: unknown) => { if (!this.signal.aborted) this.fault("rejection", "fork", error) }
      const run = runAs(this, async () => work(this.signal)).catch(failed)
      this.forks.add(run)
      void run.then(() => (this.forks.delete(run), release()))
    })
  }

  timer(milliseconds: number, work: () => void | Promise<void>, repeat: boolean): Remove {
    this.open("a timer or fork")
    let stopped = false
    let cancel = () => {}
    const stop = () => {
      stopped = true
      this.timers.delete(stop)
      cancel()
    }
    const schedule = () => {
      if (stopped) return
      this.timers.add(stop)
      cancel = this.unit.kernel.clock.after(milliseconds, async () => {
        if (!repeat) this.timers.delete(stop)
        await this.handle(repeat ? "every" : "timeout", BOUNDS.notify, work)
        if (repeat) schedule()
      })
    }
    this.arm(schedule)
    return stop
  }

  /** Done now, or once the commit stands. */
  arm(work: CommitWork): void {
    if (this.tentative) this.#armed.push(work)
    else void work()
  }

  // ── running its code ────────────────────────────────────────────────────────────────────────────────────────────

  /** Holds this generation open until given back. */
  lease(held = this.calls): Remove { return leaseIn(held, () => this.#leases.check()) }

  /** A call, which holds it by way of rejecting, is over. */
  endCall(reject: (error: Error) => void): void {
    this.calls.delete(reject)
    this.#leases.check()
  }

  /** Runs work in this generation's name: counted, and a fault is its own. Rejections pass to the caller as well. */
  attribute<T>(during: string, work: () => T): T {
    this.unit.counters.calls++
    try {
      const result = runAs(this, work)
      if (result instanceof Promise) result.catch((error: unknown) => this.failed(during, error))
      return result
    } catch (error) {
      this.failed(during, error)
      throw error
    }
  }

  /** Runs a handler: its failure is a fault and goes no further, its result goes to `accept`, which may refuse it. */
  handle(during: string, deadline: number, work: () => unknown, accept?: (result: unknown) => void): void | Promise<void> {
    const { counters, kernel } = this.unit
    const release = this.lease()
    const started = performance.now()
    const end = () => {
      release()
      counters.handlerMilliseconds += performance.now() - started
    }
    const fail = (kind: Fault["kind"], error: unknown) => {
      end()
      this.fault(kind, during, error)
    }
    counters.calls++
    try {
      const result = runAs(this, work)
      if (isThenable(result)) return within(kernel.clock, deadline, during, result).then(accept).then(end, (error: unknown) => fail(isTimeout(error) ? "timeout" : "rejection", error))
      accept?.(result)
      end()
    } catch (error) {
      fail("throw", error)
    }
  }

  /** A method threw: typed errors are results, the rest are crashes. */
  failed(during: string, error: unknown): void {
    if (isCrash(error)) this.fault("throw", during, error)
    else this.unit.counters.errors++
  }

  fault(kind: Fault["kind"], during: string, error: unknown): void {
    this.unit.counters.errors++
    if (kind === "timeout" || isCrash(error)) this.unit.counters.crashes++
    this.unit.kernel.fault(this, kind, during, error)
  }

  // ── from the commit to the close ────────────────────────────────────────────────────────────────────────────────

  /** Inside the commit: what setup left for it. A synchronous throw takes the commit back. */
  runCommitWork(): Promise<void>[] {
    const pending: Promise<void>[] = []
    try {
      for (const work of this.commitWork.splice(0)) {
        const result = runAs(this, work)
        if (result) pending.push(result)
      }
      return pending
    } catch (error) {
      for (const promise of pending) promise.catch(() => {})
      throw error
    }
  }

  /** Once the commit stands: timers and forks start, and what setup told is told. */
  arise(): Promise<void>[] { return this.#armed.splice(0).map((work) => runAs(this, async () => work())) }

  /** Out of the table already: stop timers, serve out the leases, abort, close. Never throws. */
  async retire(): Promise<void> {
    this.state = "retiring"
    for (const stop of this.timers) stop()
    this.#retiring.abort()
    await this.#until(BOUNDS.drain, () => this.forced || this.leases === 0)
    await this.#until(BOUNDS.stream - BOUNDS.drain, () => this.forced || this.streams.size === 0)
    this.#work.abort()
    await this.#until(BOUNDS.grace, () => this.leases === 0)
    await this.close()
  }

  async #until(milliseconds: number, served: () => boolean): Promise<void> {
    await this.#leases.until(this.unit.kernel.clock, milliseconds, "drain", () => served() || this.state === "closed").catch(() => {})
  }

  force(): void {
    this.forced = true
    this.#leases.check()
  }

  /** Finalizers, last in first out, one at a time, each bounded; whatever they do, the next one runs. Twice is once. */
  close(): Promise<void> { return (this.#closing ??= this.#close()) }

  async #close(): Promise<void> {
    this.state = "closed"
    this.#leases.check()
    this.#work.abort()
    this.#retiring.abort()
    for (const stop of this.timers) stop()
    for (const reject of this.calls) reject(new KernelError("Retired", `${this.name} was closed before this call ended`))
    if (this.forks.size) await this.finish("its forks", BOUNDS.finalizer, () => Promise.all(this.forks))
    const { clock } = this.unit.kernel
    const until = clock.now() + BOUNDS.finalizers
    for (const { during, work } of this.#finalizers.splice(0).reverse()) await this.finish(during, Math.max(0, Math.min(BOUNDS.finalizer, until - clock.now())), work)
    for (const giveBack of this.#held) giveBack()
    await this.unit.kept.releaseOf(this)
    this.rows.clear()
    this.services.clear()
    this.listeners = []
    this.slotListeners.clear()
  }

  /** One step of the teardown: bounded, and its failure a fault. */
  async finish(during: string, milliseconds: number, work: () => unknown): Promise<void> {
    await within(this.unit.kernel.clock, milliseconds, during, runAs(this, async () => work())).catch((error: unknown) => this.fault("teardown", during, error))
  }
}

const isTimeout = (error: unknown): boolean => error instanceof KernelError && error.code === "Timeout"
