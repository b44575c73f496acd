/**
 * A transaction: one candidate on its way to be live, admit → load → check → stage → commit. Until the commit nothing in
 * the world has changed; the commit is one synchronous step; what fails before it is told, and remembered, so that only
 * a change of what was wrong tries it again.
 */
import { isDeepStrictEqual } from "node:util"
import type { JournalEntry } from "../control.ts"
import { runAs } from "../bus/attribution.ts"
import { validate } from "../bus/validate.ts"
import { BOUNDS, sleep, within } from "../clock.ts"
import { KernelError, messageOf, Unavailable } from "../errors.ts"
import type { Evaluation } from "./evaluation.ts"
import { ageOf } from "./files.ts"
import { Generation } from "./generation.ts"
import type { Candidate, Good, Unit } from "./unit.ts"
import { createInstance } from "./words.ts"

/** What is to be made live. `kept`: an earlier closure that stands for what is on disk, because of `undone`. */
interface Plan { unit: Unit; candidate: Candidate; kept: Good | undefined; undone: string; options: unknown; cause: string; settle: number }

export class Transaction {
  readonly #plan: Plan
  readonly #times: JournalEntry["times"]
  readonly #started: number
  readonly #superseded = Promise.withResolvers<never>()
  #phase: "admit" | "load" | "check" | "stage" | "commit" = "load"
  #evaluation: Evaluation | undefined
  #generation: Generation | undefined

  constructor(plan: Plan) {
    this.#plan = plan
    this.#times = { settle: plan.settle }
    this.#started = this.#place()
    this.#superseded.promise.catch(() => {})
  }

  /** Is it no longer what is wanted? */
  get outdated(): boolean {
    return this.#evaluation?.stale() === true || this.#plan.unit.kernel.wants.refusal(this.#plan.unit) !== undefined || this.#place() !== this.#started
  }

  /** How many candidates go before it. */
  #place(): number {
    const { unit, candidate } = this.#plan
    return unit.kernel.wants.candidates(unit).findIndex(({ entry }) => entry === candidate.entry)
  }

  supersede(): void { this.#superseded.reject(new KernelError("Superseded", "something newer is wanted")) }

  /** Gives whether the candidate is, or has become, what is live; or that it need not. */
  async run(): Promise<boolean> {
    const { unit, candidate, kept, cause, undone } = this.#plan
    const { kernel, live } = unit
    try {
      const evaluation = await this.#timed("load", () => this.#load())
      this.#phase = "check"
      if (!this.#belongsHere(evaluation)) return true
      const options = await this.#checked(evaluation)
      if (live?.evaluation.entry === candidate.entry && live.evaluation.hash === evaluation.hash && isDeepStrictEqual(live.options, options) && !live.evaluation.stale()) return unit.rest(candidate)
      this.#phase = "stage"
      const generation = (this.#generation = new Generation(unit, unit.gen + 1, evaluation, options))
      await this.#timed("stage", () => this.#stage(generation))
      this.#phase = "commit"
      const committing = performance.now()
      this.#commit(generation)
      this.#times.commit = performance.now() - committing
      for (const note of evaluation.notes) kernel.log(generation, "warn", [note])
      kernel.record(unit, { cause, outcome: kept ? "reverted" : "committed", gen: generation.gen, hash: evaluation.hash, message: kept && undone, times: this.#times })
      if (kept) kernel.tell(unit.realm, "plugin.reverted", { plugin: unit.id, gen: generation.gen, realm: unit.realm.id, file: candidate.entry, reason: undone })
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
    try { return await work() } finally { this.#times[step] = performance.now() - started }
  }

  /** Ends at a deadline, or when something newer is wanted. */
  #bounded<T>(milliseconds: number, what: string, work: PromiseLike<T>): Promise<T> {
    return within(this.#plan.unit.kernel.clock, milliseconds, what, Promise.race([this.#superseded.promise, work]))
  }

  /** A young file that is empty, does not parse or lacks its export may be half written: it is read again before it is believed. */
  async #load(): Promise<Evaluation> {
    const { unit, candidate, kept } = this.#plan
    const { kernel } = unit
    for (const again of [...BOUNDS.rereads, Infinity]) {
      try {
        this.#phase = "admit"
        const admitted = candidate.guarded && !kept ? await this.#bounded(Infinity, "admit", kernel.admit(candidate, unit.realm)) : undefined
        this.#phase = "load"
        const evaluation = (this.#evaluation = kernel.wants.evaluation(candidate, admitted, kept))
        await this.#bounded(BOUNDS.load, `loading ${candidate.entry}`, evaluation.evaluate())
        return evaluation
      } catch (error) {
        const { code } = error as { code?: string }
        // Not what was admitted: somebody has to be asked again.
        if (code === "Refused") this.#phase = "admit"
        const young = this.#evaluation?.watched.some((path) => ageOf(path) < BOUNDS.young)
        if (again === Infinity || !young || code === "Refused" || code === "Timeout" || code === "Superseded") throw error
        await sleep(kernel.clock, again)
      }
    }
    throw new KernelError("Invalid", "unreachable")
  }

  /** Only its definition says whether a plugin is one of the process or of every project. */
  #belongsHere(evaluation: Evaluation): boolean {
    const { unit, candidate } = this.#plan
    const place = unit.kernel.wants.belongs(unit, candidate, evaluation)
    if (place === "here") return true
    unit.leave("removed", `it is per ${unit.realm.location === undefined ? "location" : "process"} now`)
    if (place === "moved") for (const realm of unit.kernel.realms()) if (realm !== unit.realm) void unit.kernel.unit(realm, unit.id).request("its realm changed")
    return false
  }

  async #checked({ definition, offers }: Evaluation): Promise<unknown> {
    const { unit, options } = this.#plan
    const { kernel } = unit
    unit.offers = new Set(offers)
    if (definition.engines && !(await import("semver")).default.satisfies(kernel.version, definition.engines, { includePrerelease: true })) throw new KernelError("Invalid", `it wants the kernel API ${definition.engines}, this is ${kernel.version}`)
    const checked = validate(definition.options, options ?? {})
    if (!checked.ok) throw new KernelError("Invalid", `plugins.${unit.id}.${checked.message}`)
    return checked.value
  }

  async #stage(generation: Generation): Promise<void> {
    const { id, realm, state, offers, kernel } = this.#plan.unit
    const { definition } = generation
    for (let turn = kernel.breathe(); turn; turn = kernel.breathe()) await turn
    for (const service of definition.needs ?? []) if (!realm.table.service(service)) throw new Unavailable(service)
    state.stage(generation)
    const graft = createInstance(generation, realm)
    generation.evaluation.bind(graft)
    const setup = runAs(generation, async () => generation.evaluation.leg(`setup of ${id}`, () => definition.setup(graft as never)))
    try {
      const cleanup = await this.#bounded(BOUNDS.setup, `setup of ${id}`, setup)
      if (typeof cleanup === "function") generation.defer("its cleanup", cleanup)
    } finally {
      for (const service of generation.services.keys()) offers.add(service)
    }
    if (generation.unavailable !== undefined) throw new Unavailable(generation.unavailable)
  }

  /** One synchronous step: the table is another one when it returns, or it throws and nothing happened. */
  #commit(generation: Generation): void {
    const { unit, candidate, kept } = this.#plan
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
    unit.rest(candidate)
    unit.remember({ candidate, hash: generation.evaluation.hash, sources: generation.evaluation.sources }, kept !== undefined)
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
    const { unit, candidate: { entry, kind } } = this.#plan
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
    const { unit, cause } = this.#plan
    const { kernel } = unit
    kernel.busy(1)
    within(kernel.clock, BOUNDS.onCommit, `onCommit of ${unit.id}`, Promise.all(pending)).catch(async (error: unknown) => {
      if (unit.live === generation) await unit.undo(`onCommit failed: ${messageOf(error)}`, cause)
    }).catch(() => { /* it cannot go back: the journal says why */ }).finally(() => kernel.busy(-1))
  }

  #fail(error: unknown): void {
    const { unit, candidate: { entry }, kept, options, cause } = this.#plan
    const { kernel, realm } = unit
    const evaluation = this.#evaluation
    const waitsFor = new Set([error instanceof Unavailable ? error.service : undefined, this.#generation?.unavailable].filter((service) => service !== undefined))
    const status = waitsFor.size ? "waiting" : this.#phase === "admit" ? "refused" : "failed"
    const message = waitsFor.size ? `waits for "${[...waitsFor].join('", "')}"` : messageOf(error)
    const place = evaluation?.locate(error)
    const known = unit.failures.get(entry)
    unit.failures.set(entry, { status, reason: message, kept: kept?.hash, options, get watched() { return evaluation?.watched ?? [entry] }, stale: () => this.#phase === "admit" || (evaluation?.stale() ?? true), waitsFor, clash: (error as { clash?: string }).clash })
    if (!unit.live) Object.assign(unit, { status, reason: message })
    // It may have come while this setup was on its way to call it.
    if (unit.mayGoOn) void unit.request("what it waited for came")
    // It is asked about at each pass, and told once.
    if (status === "refused" && known?.status === status && known.reason === message) return
    kernel.record(unit, { cause, outcome: status, gen: unit.gen + 1, phase: this.#phase, message, where: place?.where, frame: place?.frame, hash: evaluation?.hash, times: this.#times })
    const fact = { plugin: unit.id, gen: unit.gen + 1, realm: realm.id, file: entry }
    if (status !== "failed") kernel.tell(realm, "plugin.waiting", { ...fact, reason: message })
    else kernel.tell(realm, "plugin.failed", { ...fact, phase: this.#phase, message: place && !message.includes(place.where) ? `${place.where}: ${message}` : message, frame: place?.frame, kept: unit.live?.gen })
  }
}
