/**
 * A generation: one activation of a plugin in one realm, and the scope that owns everything it registered. Staged, it
 * changes nothing in the world; live, its registrations are in the table; retiring, it serves out its leases; closed, it
 * owns nothing.
 */
import type { Cleanup, Definition, ListenOptions, Remove, RowChange } from "../instance.ts"
import type { Fault } from "../vocabulary.ts"
import type { Realm } from "../registry/realm.ts"
import type { Listener, SlotRow } from "../registry/table.ts"
import type { Unit } from "./unit.ts"
import type { Evaluation } from "./evaluation.ts"
import { BOUNDS, within } from "../clock.ts"
import { isCrash, KernelError } from "../errors.ts"
import { runAs, type Owner } from "../bus/attribution.ts"

export type GenerationState = "staged" | "live" | "retiring" | "closed"
type LeaseKind = "call" | "stream"

export class Generation implements Owner {
  readonly unit: Unit
  readonly gen: number
  evaluation: Evaluation
  options: unknown
  readonly since: number
  state: GenerationState = "staged"
  /** Inside its own commit: what it tells, adds and starts has to wait until the commit stands. */
  committing = false
  /** Services that setup called or declared: when one is gone for good, this plugin waits. */
  readonly observed: Set<string>
  /** The first service that setup called and did not find. */
  unavailable: string | undefined
  readonly services = new Map<string, object>()
  readonly rows = new Map<string, Map<string, SlotRow>>()
  listeners: Listener[] = []
  readonly slotListeners = new Set<{ realm: Realm; slot: string; listener: (change: RowChange<unknown>) => void }>()
  readonly outbox: { realm: Realm; event: string; payload: unknown }[] = []
  readonly commitWork: (() => void | Promise<void>)[] = []
  /** Started once the commit stands. */
  readonly afterCommit: (() => Promise<void>)[] = []
  optionsListener: ((next: never, previous: never) => "reload" | void) | undefined
  /** Calls of its methods that still run, each a lease; they are rejected when this generation is forced closed. */
  readonly calls = new Set<(error: Error) => void>()
  readonly timers = new Set<() => void>()
  readonly forks = new Set<Promise<void>>()
  readonly #work = new AbortController()
  readonly #retiring = new AbortController()
  readonly #finalizers: { during: string; work: Cleanup }[] = []
  readonly #leases = { call: 0, stream: 0 }
  #released: (() => void) | undefined
  #closing: Promise<void> | undefined
  readonly #arms = new Set<() => void>()
  readonly #held = new Set<() => void>()
  #index = 0

  constructor(unit: Unit, gen: number, evaluation: Evaluation, options: unknown) {
    this.unit = unit
    this.gen = gen
    this.evaluation = evaluation
    this.options = options
    this.since = unit.kernel.clock.now()
    this.observed = new Set(evaluation.definition.needs)
  }

  get realm(): Realm { return this.unit.realm }
  get name(): string { return `${this.unit.id}@${this.gen}` }
  get definition(): Definition<never, never> { return this.evaluation.definition }
  get signal(): AbortSignal { return this.#work.signal }
  get retiring(): AbortSignal { return this.#retiring.signal }
  /** May its handlers and methods be entered? Checked right before each entry. */
  get enterable(): boolean { return this.state !== "closed" }
  get leases(): number { return this.calls.size + this.#leases.call + this.#leases.stream }
  get cleanups(): number { return this.#finalizers.length }

  /** Registering needs a generation that is staged or live. */
  open(what: string): void {
    if (this.state === "retiring" || this.state === "closed") throw new KernelError("Retired", `${what}: ${this.name} is ${this.state}; a newer generation took over`)
  }

  listen(event: string, handler: Listener["handler"], options?: ListenOptions): Remove {
    this.open(`on("${event}")`)
    const listener: Listener = { event, handler, options, index: this.#index++, since: this.state === "live" ? this.unit.kernel.bus.sequence + 1 : 0, generation: this }
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
  add(slot: string, items: unknown[], options: { key?: string; order?: number } = {}): Remove {
    this.open(`add("${slot}")`)
    const keyOf = this.realm.table.slotPolicy(slot)?.key ?? this.definition.slots?.[slot]?.key
    const mine: SlotRow[] = items.map((item) => {
      const named = item as { id?: unknown; name?: unknown } | null
      const index = this.#index++
      return { slot, item, index, order: options.order ?? 0, key: options.key ?? keyOf?.(item as never) ?? String(named?.id ?? named?.name ?? `#${index}`), generation: this }
    })
    this.#edit(slot, (rows) => { for (const row of mine) rows.set(row.key, row) })
    return () => this.#edit(slot, (rows) => { for (const row of mine) if (rows.get(row.key) === row) rows.delete(row.key) })
  }

  #edit(slot: string, edit: (rows: Map<string, SlotRow>) => void): void {
    const rows = this.rows.get(slot) ?? new Map<string, SlotRow>()
    const before = [...rows.values()]
    this.rows.set(slot, rows)
    edit(rows)
    this.#changed()
    if (this.state === "live" && !this.committing) this.unit.kernel.tellRows(this.realm, before, [...rows.values()])
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
    const giveBack = () => { if (this.#held.delete(giveBack)) release() }
    this.#held.add(giveBack)
    if (this.state === "closed") giveBack()
    return giveBack
  }

  /** Starts now when live, at commit when staged. */
  arm(start: () => void): Remove {
    this.open("a timer or fork")
    if (this.state === "live" && !this.committing) start()
    else this.#arms.add(start)
    return () => void this.#arms.delete(start)
  }

  fork(work: (signal: AbortSignal) => Promise<void>, hold = false): void {
    this.arm(() => {
      const release = hold ? this.lease("stream") : undefined
      const run = runAs(this, async () => work(this.signal)).catch((error: unknown) => { if (!this.signal.aborted) this.fault("rejection", "fork", error) })
      this.forks.add(run)
      void run.finally(() => (this.forks.delete(run), release?.()))
    })
  }

  timer(milliseconds: number, work: () => void | Promise<void>, repeat: boolean): Remove {
    let stopped = false
    let cancel: (() => void) | undefined
    const schedule = () => {
      const stop = this.unit.kernel.clock.after(milliseconds, async () => {
        this.timers.delete(stop)
        await this.handle(repeat ? "every" : "timeout", BOUNDS.notify, work)
        if (repeat && !stopped && this.state === "live") schedule()
      })
      this.timers.add((cancel = stop))
    }
    const disarm = this.arm(schedule)
    return () => {
      stopped = true
      disarm()
      if (cancel) this.timers.delete(cancel)
      cancel?.()
    }
  }

  /** Holds this generation open. "call" is waited for up to the drain deadline, "stream" up to its own longer one. */
  lease(kind: LeaseKind): Remove {
    this.#leases[kind]++
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#leases[kind]--
      this.released()
    }
  }

  released(): void { this.#released?.() }

  /** Runs work in this generation's name: counted, and a fault is its own. Rejections pass to the caller as well. */
  attribute<T>(during: string, work: () => T): T {
    this.unit.calls++
    try {
      const result = runAs(this, work)
      if (result instanceof Promise) result.catch((error: unknown) => this.failed(during, error))
      return result
    } catch (error) {
      this.failed(during, error)
      throw error
    }
  }

  /** Runs a handler that nobody waits for: its failure is a fault and goes no further. */
  handle(during: string, deadline: number, work: () => unknown): void | Promise<void> {
    const release = this.lease("call")
    const started = performance.now()
    const end = () => (release(), void (this.unit.handlerMilliseconds += performance.now() - started))
    this.unit.calls++
    try {
      const result = runAs(this, work)
      if (!(result instanceof Promise)) return end()
      return within(this.unit.kernel.clock, deadline, during, result).then(end, (error: unknown) => (end(), this.fault(kindOf(error), during, error)))
    } catch (error) {
      end()
      this.fault("throw", during, error)
    }
  }

  /** The same for a handler that somebody waits for, under a lease that the waiter holds. */
  async account<T>(during: string, work: () => Promise<T>): Promise<T | undefined> {
    const started = performance.now()
    this.unit.calls++
    try {
      return await work()
    } catch (error) {
      this.fault(kindOf(error), during, error)
      return undefined
    } finally {
      this.unit.handlerMilliseconds += performance.now() - started
    }
  }

  /** A method threw: typed errors are results, the rest are crashes. */
  failed(during: string, error: unknown): void {
    if (isCrash(error)) this.fault("throw", during, error)
    else this.unit.errors++
  }

  fault(kind: Fault["kind"], during: string, error: unknown): void {
    this.unit.errors++
    if (kind === "timeout" || isCrash(error)) this.unit.crashes++
    this.unit.kernel.fault(this, kind, during, error)
  }

  /** Inside the commit: what setup left for it, and what had to wait for it. A synchronous throw takes the commit back. */
  runCommitWork(): Promise<void>[] {
    const pending: Promise<void>[] = []
    this.committing = true
    try {
      for (const work of this.commitWork.splice(0)) {
        const result = runAs(this, work)
        if (result instanceof Promise) pending.push(result)
      }
    } catch (error) {
      for (const promise of pending) promise.catch(() => {})
      throw error
    } finally {
      this.committing = false
    }
    for (const work of this.afterCommit.splice(0)) pending.push(runAs(this, work))
    return pending
  }

  /** After the commit: the staged timers and forks start, and what setup told is told. */
  arise(): void {
    for (const start of this.#arms) start()
    this.#arms.clear()
    for (const { realm, event, payload } of this.outbox.splice(0)) this.unit.kernel.bus.emit(realm, event, payload, this.name)
  }

  /** Out of the table already: stop timers, serve out the leases, abort, close. Never throws. */
  async retire(force: Promise<void>): Promise<void> {
    this.state = "retiring"
    for (const cancel of this.timers) cancel()
    this.timers.clear()
    this.#retiring.abort()
    await this.#until(() => this.leases === 0, BOUNDS.drain, force)
    await this.#until(() => this.#leases.stream === 0, BOUNDS.stream - BOUNDS.drain, force)
    this.#work.abort()
    await this.#until(() => this.leases === 0, BOUNDS.grace)
    await this.close()
  }

  async #until(done: () => boolean, milliseconds: number, force?: Promise<void>): Promise<void> {
    const wait = Promise.withResolvers<void>()
    this.#released = () => { if (done() || this.state === "closed") wait.resolve() }
    this.#released()
    void force?.then(wait.resolve)
    await within(this.unit.kernel.clock, milliseconds, "drain", wait.promise).catch(() => {})
  }

  /** Finalizers, last in first out, one at a time, each bounded; whatever they do, the next one runs. Twice is once. */
  close(): Promise<void> { return (this.#closing ??= this.#close()) }

  async #close(): Promise<void> {
    this.state = "closed"
    this.released()
    const { clock } = this.unit.kernel
    this.#work.abort()
    this.#retiring.abort()
    for (const cancel of this.timers) cancel()
    for (const reject of this.calls) reject(new KernelError("Retired", `${this.name} was closed before this call ended`))
    if (this.forks.size) await within(clock, BOUNDS.finalizer, "forks", Promise.all(this.forks)).catch((error: unknown) => this.fault("teardown", "its forks", error))
    const until = clock.now() + BOUNDS.finalizers
    for (const { during, work } of this.#finalizers.splice(0).reverse()) {
      const bound = Math.max(0, Math.min(BOUNDS.finalizer, until - clock.now()))
      await within(clock, bound, during, runAs(this, async () => work())).catch((error: unknown) => this.fault("teardown", during, error))
    }
    for (const giveBack of this.#held) giveBack()
    await this.unit.kept.releaseOf(this)
    this.rows.clear()
    this.services.clear()
    this.listeners = []
    this.slotListeners.clear()
  }
}

const kindOf = (error: unknown): "timeout" | "rejection" => ((error as KernelError | null)?.code === "Timeout" && error instanceof KernelError ? "timeout" : "rejection")
