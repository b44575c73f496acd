/**
 * A unit: one plugin id in one realm, through all its generations. It owns what outlives them (state, kept resources,
 * inboxes, counters) and runs their transactions, one at a time: load → check → stage → commit → retire. Whatever fails
 * before the commit leaves what is live exactly as it was.
 */
import { isDeepStrictEqual } from "node:util"
import type { Definition } from "../instance.ts"
import type { RootKind, Status } from "../control.ts"
import type { Kernel } from "../kernel.ts"
import type { Realm } from "../registry/realm.ts"
import { Inbox } from "../bus/inbox.ts"
import { runAs } from "../bus/attribution.ts"
import { validate } from "../bus/validate.ts"
import { BOUNDS, deferred, within } from "../clock.ts"
import { KernelError, messageOf, Unavailable } from "../errors.ts"
import { createInstance } from "./words.ts"
import type { Evaluation } from "./evaluation.ts"
import { LoadFailure } from "./evaluation.ts"
import { ageOf } from "./files.ts"
import { Generation } from "./generation.ts"
import { Kept } from "./kept.ts"
import { leg } from "./leg.ts"
import { StateHolder } from "./state.ts"

/** One place where a plugin of this id was found. */
export interface Candidate { id: string; entry: string; kind: RootKind | "host"; rank: number; root: string; guarded: boolean; location?: string; per?: "process" | "location"; definition?: Definition<never, never> }

type Phase = "load" | "check" | "stage" | "commit" | "admit"
interface Failure { entry: string; files: readonly string[]; status: "failed" | "waiting" | "refused"; options: unknown; stale(): boolean; waitsFor: Set<string>; /** A service that somebody else provides: when it is free, this is tried again. */ clash?: string }
/** What it takes to evaluate a closure again; never the evaluation itself, which would hold its generation in memory. */
export interface Good { candidate: Candidate; hash: string; sources: ReadonlyMap<string, string> }

export class Unit {
  readonly kernel: Kernel
  readonly realm: Realm
  readonly id: string
  live: Generation | undefined
  candidate: Candidate | undefined
  status: Status = "loading"
  reason = "not tried yet"
  failure: Failure | undefined
  /** Services that its last setup staged, or that its source names: what it would provide if it could. */
  offers = new Set<string>()
  pinned = false
  gen = 0
  calls = 0
  errors = 0
  crashes = 0
  handlerMilliseconds = 0
  readonly retiring: { generation: Generation; forced: boolean; force(): void }[] = []
  readonly state = new StateHolder(this)
  readonly kept = new Kept(this)
  readonly #inboxes = new Map<string, Inbox>()
  readonly #good: Good[] = []
  #refused: (() => boolean) | undefined
  #running: Promise<void> | undefined
  #wanted: { cause: string; settle: number } | undefined
  #stale: (() => boolean) | undefined
  #supersede: ((error: Error) => void) | undefined

  constructor(kernel: Kernel, realm: Realm, id: string) {
    this.kernel = kernel
    this.realm = realm
    this.id = id
  }

  get rank(): number { return this.candidate?.rank ?? 0 }
  /** Is it live, wanted, or still serving somebody? Otherwise it is only being cleaned up after. */
  get matters(): boolean {
    return this.live !== undefined || this.busy || this.kernel.wants.candidates(this).length > 0 || this.retiring.some(({ generation }) => generation.leases > 0)
  }
  get busy(): boolean { return this.#running !== undefined }
  get dropped(): number { return [...this.#inboxes.values()].reduce((sum, inbox) => sum + inbox.counters.dropped, 0) }
  get inboxes(): ReadonlyMap<string, Inbox> { return this.#inboxes }

  inbox(noun: string): Inbox {
    let inbox = this.#inboxes.get(noun)
    if (!inbox) this.#inboxes.set(noun, (inbox = new Inbox((delivery) => this.kernel.bus.deliver(this.realm, this.id, noun, delivery), (delta) => this.kernel.busy(delta))))
    return inbox
  }

  /** Asks for a pass; the promise ends with it. The latest save wins over a candidate that is still coming up. */
  request(cause: string, settle = 0): Promise<void> {
    this.#wanted = { cause, settle }
    if (this.#stale?.()) this.#supersede?.(new KernelError("Superseded", "a newer save came in"))
    return (this.#running ??= this.#run())
  }

  async #run(): Promise<void> {
    this.kernel.busy(1)
    try {
      for (await null; this.#wanted; ) {
        const { cause, settle } = this.#wanted
        this.#wanted = undefined
        await this.#pass(cause, settle)
      }
    } finally {
      this.#running = undefined
      this.kernel.forget(this)
      this.kernel.busy(-1)
    }
  }

  async #pass(cause: string, settle: number): Promise<void> {
    const refusal = this.kernel.wants.refusal(this)
    const candidates = this.kernel.wants.candidates(this)
    if (refusal !== undefined || candidates.length === 0) return this.leave(refusal === undefined ? "removed" : "disabled", refusal ?? "its file is gone")
    // What fails and has no last good version falls back to what it shadows.
    for (const candidate of candidates) if ((await this.#attempt(candidate, cause, settle)) !== "failed" || this.live) return
  }

  async #attempt(candidate: Candidate, cause: string, settle: number): Promise<"done" | "failed"> {
    const { kernel, live } = this
    const options = kernel.wants.options(this)
    const fresh = live?.evaluation.entry === candidate.entry && !live.evaluation.stale()
    if (fresh && isDeepStrictEqual(live.options, this.#checkedOptions(live.evaluation.definition, options, () => live.options))) return this.#isLive()
    if (live && this.pinned) return "done"
    if (this.#refused && live && !this.#refused()) return "done"
    const { failure } = this
    if (failure?.entry === candidate.entry && !failure.stale() && isDeepStrictEqual(failure.options, options) && !this.#mayGoOn(failure)) return "failed"
    if (!live && !failure) this.status = "loading"
    const times: Record<string, number> = { settle }
    let phase: Phase = "load"
    let generation: Generation | undefined
    let evaluation: Evaluation | undefined
    const superseded = new Promise<never>((_, reject) => { this.#supersede = reject })
    superseded.catch(() => {})
    try {
      if (candidate.guarded) {
        phase = "admit"
        await kernel.admit(candidate)
      }
      phase = "load"
      const loading = performance.now()
      evaluation = await this.#load(candidate, superseded)
      times.load = performance.now() - loading
      phase = "check"
      const place = kernel.wants.belongs(this, candidate, evaluation)
      if (place !== "here") {
        await this.leave("removed", `it is per ${this.realm.location === undefined ? "location" : "process"} now`)
        if (place === "moved") for (const realm of kernel.realms()) if (realm !== this.realm) void kernel.unit(realm, this.id).request("its realm changed")
        return "done"
      }
      this.offers = new Set([...evaluation.sources.values()].flatMap((source) => [...source.matchAll(/\.provide\(\s*["'`](\w+)["'`]/g)].map((match) => match[1]!)))
      const { definition } = evaluation
      if (definition.engines && !(await import("semver")).default.satisfies(kernel.version, definition.engines, { includePrerelease: true })) throw new KernelError("Invalid", `it wants the kernel API ${definition.engines}, this is ${kernel.version}`)
      const checked = this.#checkedOptions(definition, options, (message) => { throw new KernelError("Invalid", `plugins.${this.id}.${message}`) })
      if (live && fresh && live.optionsListener) {
        const verdict = runAs(live, () => live.optionsListener!(checked as never, live.options as never))
        if (verdict !== "reload") return live.options = checked, this.#isLive()
      }
      if (live?.evaluation.entry === candidate.entry && live.evaluation.hash === evaluation.hash && isDeepStrictEqual(live.options, checked) && !live.evaluation.stale()) return this.#isLive()
      phase = "stage"
      const staging = performance.now()
      generation = new Generation(this, this.gen + 1, evaluation, checked)
      await this.#stage(generation, superseded)
      times.stage = performance.now() - staging
      phase = "commit"
      const committing = performance.now()
      this.#commit(generation, candidate, cause, { ...times, commit: 0 })
      times.commit = performance.now() - committing
      this.#remember({ candidate, hash: evaluation.hash, sources: evaluation.sources })
      for (const note of evaluation.notes) kernel.log(generation, "warn", [note])
      kernel.record(this, { cause, outcome: "committed", gen: generation.gen, hash: evaluation.hash, times })
      return "done"
    } catch (error) {
      await generation?.close()
      if (error instanceof KernelError && error.code === "Superseded") return "done"
      this.#fail(candidate, error, phase, cause, times, evaluation, generation, options)
      return "failed"
    } finally {
      this.#supersede = this.#stale = undefined
    }
  }

  /** Has what it waited for come, or what stood in its way gone? */
  #mayGoOn({ waitsFor, clash }: Failure): boolean {
    return [...waitsFor].some((service) => this.realm.table.service(service)) || (clash !== undefined && !this.realm.table.service(clash))
  }

  #isLive(): "done" {
    this.failure = undefined
    this.status = "live"
    this.reason = ""
    return "done"
  }

  /** A young file that is empty, does not parse or lacks its export may be half written: it is read again before it is believed. */
  async #load(candidate: Candidate, superseded: Promise<never>): Promise<Evaluation> {
    const { kernel } = this
    for (const again of [...BOUNDS.rereads, undefined]) {
      try {
        const load = kernel.wants.load(candidate, (stale) => { this.#stale = stale })
        return await Promise.race([superseded, within(kernel.clock, BOUNDS.load, `loading ${candidate.entry}`, load)])
      } catch (error) {
        const young = ageOf(candidate.entry, Date.now()) < BOUNDS.young
        if (again === undefined || !young || !(error instanceof LoadFailure)) throw error
        await new Promise<void>((resolve) => kernel.clock.after(again, resolve))
      }
    }
    throw new KernelError("Invalid", "unreachable")
  }

  #checkedOptions<T>(definition: Definition<never, never>, options: unknown, wrong: (message: string) => T): unknown {
    if (!definition.options) return options ?? {}
    const checked = validate(definition.options, options ?? {})
    return checked.ok ? checked.value : wrong(checked.message)
  }

  async #stage(generation: Generation, superseded: Promise<never>): Promise<void> {
    const { definition } = generation
    for (const service of definition.needs ?? []) if (!this.realm.table.service(service)) throw new Unavailable(service)
    this.state.stage(generation)
    const graft = createInstance(generation, this.realm)
    generation.evaluation.bind(graft)
    const setup = runAs(generation, async () => leg(`setup of ${this.id}`, () => definition.setup(graft as never)))
    try {
      const cleanup = await Promise.race([superseded, within(this.kernel.clock, BOUNDS.setup, `setup of ${this.id}`, setup)])
      if (typeof cleanup === "function") generation.defer("its cleanup", cleanup)
    } finally {
      for (const service of generation.services.keys()) this.offers.add(service)
    }
    if (generation.unavailable !== undefined) throw new Unavailable(generation.unavailable)
  }

  /** One synchronous step: the table is another one when it returns, or it throws and nothing happened. */
  #commit(generation: Generation, candidate: Candidate, cause: string, times: Record<string, number>): void {
    const { kernel, realm, live: old } = this
    for (const service of generation.services.keys()) this.#checkClash(service)
    if (old && candidate.entry !== old.evaluation.entry && candidate.kind !== "built-in") {
      const missing = [...old.services.keys()].find((service) => !generation.services.has(service) && kernel.consumers(realm, service, this).length > 0)
      if (missing) throw new KernelError("Invalid", `${candidate.entry} has the id of the live plugin "${this.id}" and does not provide "${missing}", which ${kernel.consumers(realm, missing, this).join(", ")} use: rename it`)
    }
    const before = old?.allRows() ?? []
    const [previous, previousCandidate] = [this.state.migrate(generation), this.candidate]
    const swap = (to: Generation | undefined, by: Candidate | undefined) => {
      this.live = to
      this.candidate = by
      kernel.invalidate(realm)
    }
    generation.state = "live"
    swap(generation, candidate)
    generation.committing = true
    const pending: Promise<void>[] = []
    try {
      for (const work of generation.commitWork.splice(0)) {
        const result = runAs(generation, work)
        if (result instanceof Promise) pending.push(result)
      }
    } catch (error) {
      for (const promise of pending) promise.catch(() => {})
      generation.state = "staged"
      swap(old, previousCandidate)
      this.state.restore(previous)
      throw error
    } finally {
      generation.committing = false
    }
    for (const work of generation.afterCommit.splice(0)) pending.push(runAs(generation, work))
    this.gen = generation.gen
    this.failure = undefined
    this.status = "live"
    this.reason = ""
    this.#refused = undefined
    if (old) this.#retire(old)
    kernel.tellRows(realm, before, generation.allRows())
    const fact = { plugin: this.id, gen: generation.gen, realm: realm.id, file: candidate.entry }
    if (old) kernel.tell(realm, "plugin.reloaded", { ...fact, previous: old.gen, milliseconds: Object.values(times).reduce((sum, time) => sum + time, 0) })
    else kernel.tell(realm, "plugin.loaded", fact)
    generation.arise()
    kernel.servicesChanged(realm, old ? [...old.services.keys()].filter((service) => !generation.services.has(service)) : [], [...generation.services.keys()])
    if (pending.length) this.#awaitCommit(generation, pending, cause)
  }

  #checkClash(service: string): void {
    const other = this.realm.table.service(service)?.generation ?? this.kernel.providerBelow(this.realm, service)
    if (other && other.unit !== this) throw Object.assign(new KernelError("Refused", `"${service}" is provided by ${other.name} already${other.realm === this.realm ? "" : ` (${other.realm.id})`}: disable one of them`), { clash: service })
  }

  /** An asynchronous onCommit that rejects is a revert: a second, ordinary commit. */
  #awaitCommit(generation: Generation, pending: Promise<void>[], cause: string): void {
    this.kernel.busy(1)
    within(this.kernel.clock, BOUNDS.onCommit, `onCommit of ${this.id}`, Promise.all(pending)).catch(async (error: unknown) => {
      if (this.live === generation) await this.undo(`onCommit failed: ${messageOf(error)}`, cause)
    }).finally(() => this.kernel.busy(-1))
  }

  #fail(candidate: Candidate, error: unknown, phase: Phase, cause: string, times: Record<string, number>, evaluation: Evaluation | undefined, generation: Generation | undefined, options: unknown): void {
    const waitsFor = new Set<string>()
    if (error instanceof Unavailable) waitsFor.add(error.service)
    if (generation?.unavailable) waitsFor.add(generation.unavailable)
    const { clash } = error as { clash?: string }
    const status = waitsFor.size ? "waiting" : phase === "admit" ? "refused" : "failed"
    const message = waitsFor.size ? `waits for "${[...waitsFor].join('", "')}"` : messageOf(error)
    const place = error instanceof LoadFailure ? error.place : (evaluation ?? this.live?.evaluation)?.locate(error)
    const stale = error instanceof LoadFailure ? error.stale : evaluation ? () => evaluation.stale() : this.#stale ?? (() => true)
    const files = error instanceof LoadFailure ? error.watch : [...(evaluation?.files.keys() ?? [])]
    this.failure = { entry: candidate.entry, files, status, options, stale, waitsFor, clash }
    if (!this.live) Object.assign(this, { status, reason: message })
    // It may have come while this setup was on its way to call it.
    if ([...waitsFor].some((service) => this.realm.table.service(service))) void this.request("a service came")
    const entry = { cause, outcome: status, gen: this.gen + 1, phase, message, where: place?.where, frame: place?.frame, hash: evaluation?.hash, times } as const
    this.kernel.record(this, entry)
    const fact = { plugin: this.id, gen: this.gen + 1, realm: this.realm.id, file: candidate.entry }
    if (status === "waiting" || status === "refused") this.kernel.tell(this.realm, "plugin.waiting", { ...fact, reason: message })
    else this.kernel.tell(this.realm, "plugin.failed", { ...fact, phase, message: place && !message.includes(place.where) ? `${place.where}: ${message}` : message, frame: place?.frame, kept: this.live?.gen })
  }

  #remember(good: Good): void {
    if (this.#good[0]?.hash === good.hash) this.#good.shift()
    this.#good.unshift(good)
    this.#good.length = Math.min(this.#good.length, BOUNDS.sources)
  }

  /** Back to the last good closure before the live one, evaluated again from its kept source as a new generation. */
  async undo(reason: string, cause = "undo"): Promise<void> {
    const rejected = this.live
    const back = this.#good.find((good) => good.hash !== rejected?.evaluation.hash)
    if (!rejected) throw new KernelError("Refused", `${this.id} is not live`)
    const watched = new Map(rejected.evaluation.files)
    const refused = () => [...watched].some(([path, hash]) => this.kernel.files.hash(path) !== hash)
    if (!back) {
      await this.leave("removed", reason)
      this.failure = { entry: rejected.evaluation.entry, files: [...watched.keys()], status: "failed", options: this.kernel.wants.options(this), stale: refused, waitsFor: new Set() }
      this.status = "failed"
      this.reason = reason
      return this.kernel.record(this, { cause, outcome: "reverted", gen: rejected.gen, message: `${reason} (no earlier version to go back to)`, times: {} })
    }
    const evaluation = await this.kernel.wants.load(back.candidate, () => {}, back)
    const generation = new Generation(this, this.gen + 1, evaluation, this.#checkedOptions(evaluation.definition, this.kernel.wants.options(this), () => rejected.options))
    try {
      await this.#stage(generation, new Promise<never>(() => {}))
      this.#commit(generation, back.candidate, cause, {})
    } catch (error) {
      await generation.close()
      throw error
    }
    this.#refused = refused
    this.#good.splice(0, this.#good.indexOf(back))
    this.kernel.record(this, { cause, outcome: "reverted", gen: generation.gen, hash: evaluation.hash, message: reason, times: {} })
    this.kernel.tell(this.realm, "plugin.reverted", { plugin: this.id, gen: generation.gen, realm: this.realm.id, file: back.candidate.entry, reason })
  }

  /** Out of the table, with exactly what it added; its state stays for its return. */
  async leave(outcome: "removed" | "disabled" | "waiting", reason: string): Promise<void> {
    const { live, kernel } = this
    this.status = outcome === "removed" ? "failed" : outcome
    this.reason = reason
    if (outcome !== "waiting") this.failure = undefined
    if (live) {
      const services = [...live.services.keys()]
      this.live = undefined
      kernel.invalidate(this.realm)
      this.#retire(live)
      kernel.tellRows(this.realm, live.allRows(), [])
      kernel.record(this, { cause: reason, outcome, gen: live.gen, message: reason, times: {} })
      const fact = { plugin: this.id, gen: live.gen, realm: this.realm.id, file: live.evaluation.entry, reason }
      kernel.tell(this.realm, outcome === "waiting" ? "plugin.waiting" : "plugin.removed", fact)
      kernel.servicesChanged(this.realm, services, [])
    }
  }

  /** A service that it needs is gone: it waits, and comes back with it. */
  suspend(service: string): void {
    const entry = this.live!.evaluation.entry
    void this.leave("waiting", `waits for "${service}"`)
    this.failure = { entry, files: [], status: "waiting", options: this.kernel.wants.options(this), stale: () => false, waitsFor: new Set([service]) }
  }

  /** So many may serve out their leases at once; the oldest is forced first. */
  #retire(generation: Generation): void {
    const force = deferred()
    const entry = { generation, forced: false, force: () => { entry.forced = true; force.resolve() } }
    this.retiring.push(entry)
    const serving = this.retiring.filter(({ forced }) => !forced)
    if (serving.length > BOUNDS.retiring) serving[0]!.force()
    void generation.retire(force.promise).finally(() => {
      this.retiring.splice(this.retiring.indexOf(entry), 1)
      this.kernel.forget(this)
    })
  }

  /** The files and directories whose change may change it. */
  watched(): string[] {
    const evaluation = this.live?.evaluation
    return [...(evaluation?.files.keys() ?? []), ...(this.failure?.files ?? [])]
  }

  /** Ends with every generation closed. */
  async close(): Promise<void> {
    const { live } = this
    this.live = undefined
    this.kernel.invalidate(this.realm)
    if (live) this.#retire(live)
    const closing = this.retiring.map(({ generation, force }) => (force(), generation.close()))
    await Promise.all(closing)
  }
}
