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
import type { Candidate, Unit } from "./unit.ts"
import { createInstance } from "./words.ts"

/** What is to be made live. */
interface Plan { unit: Unit; candidate: Candidate; options: unknown; cause: string; settle: number }

/** What ends a load for good: these bytes will not do better when they are read again. */
const FINAL: readonly unknown[] = ["Refused", "Timeout", "Superseded"]

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
    const { unit } = this.#plan
    return this.#evaluation?.stale() === true || unit.kernel.wants.refusal(unit) !== undefined || this.#place() !== this.#started
  }

  /** How many candidates go before it. */
  #place(): number {
    const { unit, candidate } = this.#plan
    return unit.kernel.wants.candidates(unit).findIndex(({ entry }) => entry === candidate.entry)
  }

  supersede(): void { this.#superseded.reject(new KernelError("Superseded", "something newer is wanted")) }

  /** Gives whether the candidate is, or has become, what is live; or that it need not. */
  async run(): Promise<boolean> {
    const { unit, candidate } = this.#plan
    const { live } = unit
    try {
      const evaluation = await this.#timed("load", () => this.#load())
      this.#phase = "check"
      if (!this.#belongsHere(evaluation)) return true
      const options = await this.#checked(evaluation)
      if (live?.evaluation.entry === candidate.entry && live.evaluation.hash === evaluation.hash && isDeepStrictEqual(live.options, options) && !live.evaluation.stale()) return unit.rest(candidate)
      const generation = (this.#generation = new Generation(unit, unit.gen + 1, evaluation, options))
      await this.#timed("stage", () => this.#stage(generation))
      this.#commit(generation)
      return true
    } catch (error) {
      await this.#generation?.close()
      if (error instanceof KernelError && error.code === "Superseded") return true
      this.#fail(error)
      return false
    }
  }

  async #timed<T>(phase: "load" | "stage", work: () => Promise<T>): Promise<T> {
    this.#phase = phase
    const started = performance.now()
    try { return await work() } finally { this.#times[phase] = performance.now() - started }
  }

  /** Ends at a deadline, or when something newer is wanted. */
  #bounded<T>(milliseconds: number, what: string, work: PromiseLike<T>): Promise<T> {
    return within(this.#plan.unit.kernel.clock, milliseconds, what, Promise.race([this.#superseded.promise, work]))
  }

  /** A young file that is empty, does not parse or lacks its export may be half written: it is read again before it is believed. */
  async #load([again, ...rereads]: readonly number[] = BOUNDS.rereads): Promise<Evaluation> {
    const { unit: { kernel, realm }, candidate } = this.#plan
    try {
      this.#phase = "admit"
      const admitted = candidate.guarded && !candidate.kept ? await this.#bounded(Infinity, "admit", kernel.admit(candidate, realm)) : undefined
      this.#phase = "load"
      const evaluation = (this.#evaluation = kernel.wants.evaluation(candidate, admitted))
      await this.#bounded(BOUNDS.load, `loading ${candidate.entry}`, evaluation.evaluate())
      return evaluation
    } catch (error) {
      const { code } = error as { code?: string }
      // Not what was admitted: somebody has to be asked again.
      if (code === "Refused") this.#phase = "admit"
      const young = this.#evaluation?.watched.some((path) => ageOf(path) < BOUNDS.young)
      if (again === undefined || !young || FINAL.includes(code)) throw error
      await sleep(kernel.clock, again)
      return this.#load(rereads)
    }
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
    const { engines } = definition
    const { version } = unit.kernel
    unit.offers = new Set(offers)
    if (engines && !(await import("semver")).default.satisfies(version, engines, { includePrerelease: true })) throw new KernelError("Invalid", `it wants the kernel API ${engines}, this is ${version}`)
    return validate(definition.options, options ?? {}, `plugins.${unit.id}.`)
  }

  async #stage(generation: Generation): Promise<void> {
    const { id, realm, state, offers, kernel } = this.#plan.unit
    const { definition, evaluation, services } = generation
    for (let turn = kernel.breathe(); turn; turn = kernel.breathe()) await turn
    for (const service of definition.needs ?? []) if (!realm.table.service(service)) throw new Unavailable(service)
    state.stage(generation)
    const graft = createInstance(generation, realm)
    evaluation.bind(graft)
    const setup = runAs(generation, async () => evaluation.leg(`setup of ${id}`, () => definition.setup(graft as never)))
    try {
      const cleanup = await this.#bounded(BOUNDS.setup, `setup of ${id}`, setup)
      if (typeof cleanup === "function") generation.defer("its cleanup", cleanup)
    } finally {
      for (const service of services.keys()) offers.add(service)
    }
    if (generation.unavailable !== undefined) throw new Unavailable(generation.unavailable)
  }

  /** One synchronous step: the table is another one when it returns, or it throws and nothing happened. */
  #commit(generation: Generation): void {
    const { unit, candidate, cause } = this.#plan
    const { kernel, realm, live: old } = unit
    const { gen, evaluation: { hash, sources, notes } } = generation
    const started = performance.now()
    this.#phase = "commit"
    this.#validate(generation)
    const before = old?.allRows() ?? []
    const [undoState, by] = [unit.state.migrate(generation), unit.candidate]
    let pending: Promise<void>[]
    generation.state = "live"
    unit.become(generation, candidate)
    try {
      pending = generation.runCommitWork()
    } catch (error) {
      generation.state = "staged"
      unit.become(old, by)
      undoState()
      throw error
    }
    unit.gen = gen
    unit.rest(candidate)
    unit.remember({ ...candidate, kept: { hash, sources } }, candidate.kept !== undefined)
    if (old) unit.retire(old)
    kernel.tellRows(realm, before, generation.allRows())
    if (old) unit.tell("plugin.reloaded", { gen, file: candidate.entry, previous: old.gen, milliseconds: Object.values(this.#times).reduce((sum, time) => sum + time, 0) })
    else unit.tell("plugin.loaded", { gen, file: candidate.entry })
    this.#awaitCommit(generation, [...pending, ...generation.arise()])
    kernel.servicesChanged([...(old?.services.keys() ?? [])].filter((service) => !generation.services.has(service)))
    for (const note of notes) kernel.log(generation, "warn", [note])
    this.#times.commit = performance.now() - started
    unit.record({ cause, outcome: candidate.kept ? "reverted" : "committed", gen, hash, message: candidate.kept && unit.undone, times: this.#times })
    if (candidate.kept) unit.tell("plugin.reverted", { gen, file: candidate.entry, reason: unit.undone })
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
    const missing = [...old.services.keys()].find((service) => !services.has(service) && kernel.consumers(unit, service).length > 0)
    if (missing) throw new KernelError("Invalid", `${entry} has the id of the live plugin "${unit.id}" and does not provide "${missing}", which ${kernel.consumers(unit, missing).join(", ")} use: rename it`)
  }

  /** An asynchronous onCommit that rejects is a revert: a second, ordinary commit. */
  #awaitCommit(generation: Generation, pending: Promise<void>[]): void {
    const { unit, cause } = this.#plan
    const { kernel } = unit
    if (pending.length === 0) return
    kernel.busy(1)
    within(kernel.clock, BOUNDS.onCommit, `onCommit of ${unit.id}`, Promise.all(pending)).catch(async (error: unknown) => {
      if (unit.live === generation) await unit.undo(`onCommit failed: ${messageOf(error)}`, cause)
    }).catch(() => { /* it cannot go back: the journal says why */ }).finally(() => kernel.busy(-1))
  }

  #fail(error: unknown): void {
    const { unit, candidate: { entry, kept }, options, cause } = this.#plan
    const evaluation = this.#evaluation
    const phase = this.#phase
    const waitsFor = new Set([error instanceof Unavailable ? error.service : undefined, this.#generation?.unavailable].filter((service) => service !== undefined))
    const status = waitsFor.size ? "waiting" : phase === "admit" ? "refused" : "failed"
    const reason = waitsFor.size ? `waits for "${[...waitsFor].join('", "')}"` : messageOf(error)
    const { where, frame } = evaluation?.locate(error) ?? {}
    const known = unit.failures.get(entry)
    unit.failures.set(entry, { status, reason, kept: kept?.hash, options, get watched() { return evaluation?.watched ?? [entry] }, stale: () => phase === "admit" || (evaluation?.stale() ?? true), waitsFor, clash: (error as { clash?: string }).clash })
    if (!unit.live) Object.assign(unit, { status, reason })
    // It may have come while this setup was on its way to call it.
    if (unit.mayGoOn) void unit.request("what it waited for came")
    // It is asked about at each pass, and told once.
    if (status === "refused" && known?.status === status && known.reason === reason) return
    const fact = { gen: unit.gen + 1, file: entry }
    unit.record({ cause, outcome: status, gen: fact.gen, phase, message: reason, where, frame, hash: evaluation?.hash, times: this.#times })
    if (status !== "failed") unit.tell("plugin.waiting", { ...fact, reason })
    else unit.tell("plugin.failed", { ...fact, phase, message: where && !reason.includes(where) ? `${where}: ${reason}` : reason, frame, kept: unit.live?.gen })
  }
}
