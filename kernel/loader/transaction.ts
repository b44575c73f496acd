/**
 * A transaction: one candidate on its way to be live, admit → load → check → stage → commit. Until the commit nothing in
 * the world has changed; the commit is one synchronous step; what fails before it is told, and remembered, so that only
 * a change of what was wrong tries it again.
 */
import { isDeepStrictEqual } from "node:util"
import type { JournalEntry } from "../control.ts"
import { runAs } from "../bus/attribution.ts"
import { BOUNDS, within } from "../clock.ts"
import { KernelError, messageOf, Unavailable } from "../errors.ts"
import { LoadFailure, type Evaluation } from "./evaluation.ts"
import { ageOf } from "./files.ts"
import { Generation } from "./generation.ts"
import { leg } from "./leg.ts"
import type { Candidate, Good, Unit } from "./unit.ts"
import { createInstance } from "./words.ts"

export class Transaction {
  readonly #unit: Unit
  readonly #candidate: Candidate
  /** An earlier closure that stands for what is on disk, because of `#undone`. */
  readonly #kept: Good | undefined
  readonly #undone: string
  readonly #options: unknown
  readonly #cause: string
  readonly #times: JournalEntry["times"]
  readonly #superseded = Promise.withResolvers<never>()
  #phase: "admit" | "load" | "check" | "stage" | "commit" = "load"
  #stale: (() => boolean) | undefined
  #evaluation: Evaluation | undefined
  #generation: Generation | undefined

  constructor(unit: Unit, candidate: Candidate, kept: Good | undefined, options: unknown, cause: string, settle: number, undone: string) {
    this.#unit = unit
    this.#candidate = candidate
    this.#kept = kept
    this.#options = options
    this.#cause = cause
    this.#undone = undone
    this.#times = { settle }
    this.#superseded.promise.catch(() => {})
  }

  /** Is it no longer what is wanted? */
  get outdated(): boolean {
    const { wants } = this.#unit.kernel
    return this.#stale?.() === true || wants.refusal(this.#unit) !== undefined || (!this.#kept && !wants.candidates(this.#unit).some(({ entry }) => entry === this.#candidate.entry))
  }

  supersede(): void { this.#superseded.reject(new KernelError("Superseded", "something newer is wanted")) }

  /** Gives whether the candidate is, or has become, what is live; or that it need not. */
  async run(): Promise<boolean> {
    const unit = this.#unit
    const candidate = this.#candidate
    const { kernel, live } = unit
    try {
      const evaluation = (this.#evaluation = await this.#timed("load", () => this.#load()))
      this.#phase = "check"
      if (!this.#belongsHere(evaluation)) return true
      const options = await this.#checked(evaluation)
      if (live?.evaluation.entry === candidate.entry && live.evaluation.hash === evaluation.hash && isDeepStrictEqual(live.options, options) && !live.evaluation.stale()) return unit.rest()
      this.#phase = "stage"
      const generation = (this.#generation = new Generation(unit, unit.gen + 1, evaluation, options))
      await this.#timed("stage", () => this.#stage(generation))
      this.#phase = "commit"
      const committing = performance.now()
      this.#commit(generation)
      this.#times.commit = performance.now() - committing
      for (const note of evaluation.notes) kernel.log(generation, "warn", [note])
      kernel.record(unit, { cause: this.#cause, outcome: this.#kept ? "reverted" : "committed", gen: generation.gen, hash: evaluation.hash, message: this.#kept && this.#undone, times: this.#times })
      if (this.#kept) kernel.tell(unit.realm, "plugin.reverted", { plugin: unit.id, gen: generation.gen, realm: unit.realm.id, file: candidate.entry, reason: this.#undone })
      return true
    } catch (error) {
      await this.#generation?.close()
      if (error instanceof KernelError && error.code === "Superseded") return true
      this.#fail(error)
      return false
    }
  }

  async #timed<T>(step: "load" | "stage", work: () => Promise<T>): Promise<T> {
    const started = performance.now()
    try { return await Promise.race([this.#superseded.promise, work()]) } finally { this.#times[step] = performance.now() - started }
  }

  /** A young file that is empty, does not parse or lacks its export may be half written: it is read again before it is believed. */
  async #load(): Promise<Evaluation> {
    const { kernel } = this.#unit
    const { entry, guarded } = this.#candidate
    for (const again of [...BOUNDS.rereads, Infinity]) {
      try {
        this.#phase = "admit"
        const admitted = guarded && !this.#kept ? await kernel.admit(this.#candidate, this.#unit.realm) : undefined
        this.#phase = "load"
        return await within(kernel.clock, BOUNDS.load, `loading ${entry}`, kernel.wants.load(this.#candidate, (stale) => { this.#stale = stale }, admitted, this.#kept))
      } catch (error) {
        if (again === Infinity || !(error instanceof LoadFailure) || !error.watch.some((path) => ageOf(path, Date.now()) < BOUNDS.young)) throw error
        await new Promise<void>((resolve) => kernel.clock.after(again, resolve))
      }
    }
    throw new KernelError("Invalid", "unreachable")
  }

  /** Only its definition says whether a plugin is one of the process or of every project. */
  #belongsHere(evaluation: Evaluation): boolean {
    const unit = this.#unit
    const place = unit.kernel.wants.belongs(unit, this.#candidate, evaluation)
    if (place === "here") return true
    unit.leave("removed", `it is per ${unit.realm.location === undefined ? "location" : "process"} now`)
    if (place === "moved") for (const realm of unit.kernel.realms()) if (realm !== unit.realm) void unit.kernel.unit(realm, unit.id).request("its realm changed")
    return false
  }

  async #checked({ definition, sources }: Evaluation): Promise<unknown> {
    const { kernel, id } = this.#unit
    this.#unit.offers = new Set([...sources.values()].flatMap((source) => [...source.matchAll(/\.provide\(\s*["'`](\w+)["'`]/g)].map((match) => match[1]!)))
    if (definition.engines && !(await import("semver")).default.satisfies(kernel.version, definition.engines, { includePrerelease: true })) throw new KernelError("Invalid", `it wants the kernel API ${definition.engines}, this is ${kernel.version}`)
    return this.#unit.checkedOptions(definition, this.#options, (message) => { throw new KernelError("Invalid", `plugins.${id}.${message}`) })
  }

  async #stage(generation: Generation): Promise<void> {
    const { id, realm, state, offers, kernel } = this.#unit
    const { definition } = generation
    for (const service of definition.needs ?? []) if (!realm.table.service(service)) throw new Unavailable(service)
    state.stage(generation)
    const graft = createInstance(generation, realm)
    generation.evaluation.bind(graft)
    const setup = runAs(generation, async () => leg(`setup of ${id}`, () => definition.setup(graft as never)))
    try {
      const cleanup = await within(kernel.clock, BOUNDS.setup, `setup of ${id}`, setup)
      if (typeof cleanup === "function") generation.defer("its cleanup", cleanup)
    } finally {
      for (const service of generation.services.keys()) offers.add(service)
    }
    if (generation.unavailable !== undefined) throw new Unavailable(generation.unavailable)
  }

  /** One synchronous step: the table is another one when it returns, or it throws and nothing happened. */
  #commit(generation: Generation): void {
    const unit = this.#unit
    const candidate = this.#candidate
    const { kernel, realm, live: old } = unit
    this.#validate(generation)
    const before = old?.allRows() ?? []
    const [state, by] = [unit.state.migrate(generation), unit.candidate]
    generation.state = "live"
    unit.become(generation, candidate)
    let pending: Promise<void>[]
    try {
      pending = generation.runCommitWork()
    } catch (error) {
      generation.state = "staged"
      unit.become(old, by)
      unit.state.restore(state)
      throw error
    }
    unit.gen = generation.gen
    unit.rest()
    unit.remember({ candidate, hash: generation.evaluation.hash, sources: generation.evaluation.sources }, this.#kept !== undefined)
    if (old) unit.retire(old)
    kernel.tellRows(realm, before, generation.allRows())
    const fact = { plugin: unit.id, gen: generation.gen, realm: realm.id, file: candidate.entry }
    if (old) kernel.tell(realm, "plugin.reloaded", { ...fact, previous: old.gen, milliseconds: Object.values(this.#times).reduce((sum, time) => sum + time, 0) })
    else kernel.tell(realm, "plugin.loaded", fact)
    generation.arise()
    kernel.servicesChanged([...(old?.services.keys() ?? [])].filter((service) => !generation.services.has(service)))
    if (pending.length) this.#awaitCommit(generation, pending)
  }

  /** No second provider of a service, and nothing taken away from who uses it by a file that only has the same id. */
  #validate({ services }: Generation): void {
    const unit = this.#unit
    const { entry, kind } = this.#candidate
    const { kernel, realm, live: old } = unit
    for (const service of services.keys()) {
      const rival = kernel.rival(unit, service)
      if (rival) throw Object.assign(new KernelError("Refused", `"${service}" is provided by ${rival.name} already${rival.realm === realm ? "" : ` (${rival.realm.id})`}: disable one of them`), { clash: service })
    }
    if (!old || entry === old.evaluation.entry || kind === "built-in") return
    const missing = [...old.services.keys()].find((service) => !services.has(service) && kernel.consumers(realm, service, unit).length > 0)
    if (missing) throw new KernelError("Invalid", `${entry} has the id of the live plugin "${unit.id}" and does not provide "${missing}", which ${kernel.consumers(realm, missing, unit).join(", ")} use: rename it`)
  }

  /** An asynchronous onCommit that rejects is a revert: a second, ordinary commit. */
  #awaitCommit(generation: Generation, pending: Promise<void>[]): void {
    const { kernel, id } = this.#unit
    kernel.busy(1)
    within(kernel.clock, BOUNDS.onCommit, `onCommit of ${id}`, Promise.all(pending)).catch(async (error: unknown) => {
      if (this.#unit.live === generation) await this.#unit.undo(`onCommit failed: ${messageOf(error)}`, this.#cause)
    }).catch(() => { /* it cannot go back: the journal says why */ }).finally(() => kernel.busy(-1))
  }

  #fail(error: unknown): void {
    const unit = this.#unit
    const { kernel, realm } = unit
    const { entry } = this.#candidate
    const evaluation = this.#evaluation
    const waitsFor = new Set([error instanceof Unavailable ? error.service : undefined, this.#generation?.unavailable].filter((service) => service !== undefined))
    const status = waitsFor.size ? "waiting" : this.#phase === "admit" ? "refused" : "failed"
    const message = waitsFor.size ? `waits for "${[...waitsFor].join('", "')}"` : messageOf(error)
    const place = error instanceof LoadFailure ? error.place : (evaluation ?? unit.live?.evaluation)?.locate(error)
    const stale = error instanceof LoadFailure ? error.stale : evaluation ? () => evaluation.stale() : (this.#stale ?? (() => true))
    unit.failure = { entry, options: this.#options, watch: error instanceof LoadFailure ? error.watch : (evaluation?.watch() ?? [entry]), stale, waitsFor, clash: (error as { clash?: string }).clash }
    if (!unit.live) Object.assign(unit, { status, reason: message })
    // It may have come while this setup was on its way to call it.
    if (unit.mayGoOn) void unit.request("what it waited for came")
    kernel.record(unit, { cause: this.#cause, outcome: status, gen: unit.gen + 1, phase: this.#phase, message, where: place?.where, frame: place?.frame, hash: evaluation?.hash, times: this.#times })
    const fact = { plugin: unit.id, gen: unit.gen + 1, realm: realm.id, file: entry }
    if (status !== "failed") kernel.tell(realm, "plugin.waiting", { ...fact, reason: message })
    else kernel.tell(realm, "plugin.failed", { ...fact, phase: this.#phase, message: place && !message.includes(place.where) ? `${place.where}: ${message}` : message, frame: place?.frame, kept: unit.live?.gen })
  }
}
