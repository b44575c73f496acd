/**
 * A unit: one plugin id in one realm, through all its generations. It owns what outlives them (state, kept resources,
 * inboxes, counters, the closures that were good), decides which candidate is tried, one transaction at a time, and
 * retires what was live.
 */
import { isDeepStrictEqual } from "node:util"
import type { Definition } from "../instance.ts"
import type { Adapter, JournalEntry, RootKind, Status } from "../control.ts"
import type { Kernel } from "../kernel.ts"
import type { Realm } from "../registry/realm.ts"
import { once } from "../registry/once.ts"
import { runAs } from "../bus/attribution.ts"
import { Inbox } from "../bus/inbox.ts"
import { validate } from "../bus/validate.ts"
import { BOUNDS } from "../clock.ts"
import { KernelError, messageOf } from "../errors.ts"
import type { Generation } from "./generation.ts"
import { Kept } from "./kept.ts"
import { StateHolder } from "./state.ts"
import { Transaction } from "./transaction.ts"

/** One place where a plugin of this id was found; `kept`: an earlier closure of it that stands for what is on disk. */
export interface Candidate { id: string; entry: string; kind: RootKind | "host"; rank: number; root: string; guarded: boolean; location?: string; per?: "process" | "location"; definition?: Definition<never, never>; adapter?: Adapter; kept?: Good }
/** What it takes to evaluate a closure again; never the evaluation itself, which would hold its generation in memory. */
export interface Good { hash: string; sources: ReadonlyMap<string, string> }
/** Why a candidate failed, and what may cure it: other bytes, other options, a service that comes, a rival that goes. */
export interface Failure { status: Status; reason: string; kept: string | undefined; options: unknown; watched: readonly string[]; stale(): boolean; waitsFor: ReadonlySet<string>; clash?: string }
interface Wanted { cause: string; settle: number; /** The generation to be undone. */ back: Generation | undefined }

export class Unit {
  readonly kernel: Kernel
  readonly realm: Realm
  readonly id: string
  live: Generation | undefined
  candidate: Candidate | undefined
  /** What was put without a file. */
  put: Candidate | undefined
  status: Status = "loading"
  reason = "not tried yet"
  /** By entry. */
  readonly failures = new Map<string, Failure>()
  /** Services that its last setup staged, or that its source offers. */
  offers = new Set<string>()
  pinned = false
  /** The number of the last commit that stands. */
  gen = 0
  readonly counters = { calls: 0, errors: 0, crashes: 0, handlerMilliseconds: 0 }
  readonly retiring = new Set<Generation>()
  readonly state = new StateHolder()
  readonly kept = new Kept()
  readonly #inboxes = new Map<string, Inbox>()
  /** The closures that were live, the newest first. */
  readonly #good: Candidate[] = []
  /** What was undone, by entry: not tried again while the disk shows exactly these bytes. */
  readonly #rejected = new Map<string, ReadonlyMap<string, string>>()
  /** Why. */
  undone = ""
  running: Promise<void> | undefined
  #wanted: Wanted | undefined
  #transaction: Transaction | undefined
  #closed = false
  readonly #ended = Promise.withResolvers<undefined>()

  constructor(kernel: Kernel, realm: Realm, id: string) {
    this.kernel = kernel
    this.realm = realm
    this.id = id
  }

  get rank(): number { return this.candidate?.rank ?? 0 }
  get busy(): boolean { return this.running !== undefined }
  get dropped(): number { return [...this.#inboxes.values()].reduce((sum, inbox) => sum + inbox.counters.dropped, 0) }

  inbox(noun: string): Inbox {
    const { kernel: { bus, busy }, realm } = this
    const listeners = (event: string) => realm.table.hearers(noun === "*" ? noun : event).get(this) ?? []
    return once(this.#inboxes, noun, () => new Inbox((delivery) => bus.deliver(realm, listeners(delivery.event), delivery), busy))
  }

  record(entry: Omit<JournalEntry, "at" | "plugin" | "realm" | "times"> & Partial<JournalEntry>): void { this.kernel.record({ plugin: this.id, realm: this.realm.id, ...entry }) }
  tell(event: string, fact: { gen: number; file?: string; [more: string]: unknown }): void { this.kernel.tell(this.realm, event, { plugin: this.id, realm: this.realm.id, ...fact }) }

  // ── what it should be ───────────────────────────────────────────────────────────────────────────────────────────

  /** Asks for a pass; the promise ends with it. The latest save wins over a candidate that is still coming up. */
  request(cause: string, settle = 0, back?: Generation): Promise<void> {
    this.#wanted = { cause, settle, back: back ?? this.#wanted?.back }
    if (this.#transaction?.outdated) this.#transaction.supersede()
    return (this.running ??= this.#run())
  }

  async #run(): Promise<void> {
    const { busy } = this.kernel
    busy(1)
    try {
      await null
      if (!this.kernel.leaders?.ids.includes(this.id)) await this.kernel.leaders?.up
      while (this.#wanted && !this.#closed) {
        const wanted = this.#wanted
        this.#wanted = undefined
        await this.#pass(wanted)
      }
    } finally {
      this.running = undefined
      busy(-1)
    }
  }

  async #pass(wanted: Wanted): Promise<void> {
    const { wants } = this.kernel
    const refusal = wants.refusal(this)
    if (refusal !== undefined) {
      this.failures.clear()
      return this.leave("disabled", refusal)
    }
    const candidates = wants.candidates(this)
    for (const entry of this.failures.keys()) if (!candidates.some((candidate) => candidate.entry === entry)) this.failures.delete(entry)
    const back = this.live !== undefined && this.live === wanted.back
    const good = this.#lastGood(back)
    const ousted = back && !good
    // For what was undone stands what went before it; where nothing did, what it shadows.
    const instead = ({ root }: Candidate) => (good?.root === root ? good : [])
    const tries = back && good ? [good] : candidates.flatMap((candidate) => (this.#rejects(candidate) ? instead(candidate) : candidate))
    for (const candidate of tries) {
      if (await this.#attempt(candidate, wanted)) return
      // What fails leaves its own last good version; where there is none, what it shadows is tried.
      if (this.live && !ousted && (candidate.kept || this.candidate!.root === candidate.root)) return
    }
    if (candidates.length === 0 || (this.live && !candidates.some(({ root }) => root === this.candidate!.root))) {
      this.leave("removed", "its file is gone")
      const failure = [...this.failures.values()].at(-1)
      if (failure) [this.status, this.reason] = [failure.status, failure.reason]
    } else if (ousted || tries.length === 0) this.leave("reverted", this.undone, `${this.undone} (no earlier version to go back to)`)
  }

  /** Gives whether this is, or has become, what is live. */
  async #attempt(candidate: Candidate, { cause, settle }: Wanted): Promise<boolean> {
    // Consent is compared like all else: what runs goes when nobody agrees to it any more.
    const asks = candidate.guarded && this.live?.evaluation.entry === candidate.entry && !this.live.evaluation.stale()
    const refusal = asks ? await Promise.race([this.#ended.promise, this.kernel.admit(candidate, this.realm).then(() => undefined, messageOf)]) : undefined
    if (refusal !== undefined) {
      this.leave("refused", refusal)
      return false
    }
    const { live } = this
    const { entry, kept } = candidate
    const failure = this.failures.get(entry)
    const options = this.kernel.wants.options(this)
    const fresh = kept ? live?.evaluation.hash === kept.hash : live?.evaluation.entry === entry && !live.evaluation.stale()
    if (live && fresh && this.#takes(live, options)) return this.rest(candidate)
    if (live && this.pinned && !kept) return true
    if (failure && failure.kept === kept?.hash && !failure.stale() && isDeepStrictEqual(failure.options, options) && !this.#cured(failure)) return false
    if (!live && !failure) this.status = "loading"
    this.#transaction = new Transaction({ unit: this, candidate, options, cause, settle })
    try { return await this.#transaction.run() } finally { this.#transaction = undefined }
  }

  /** Are these the options it has, or does it take them while it runs? */
  #takes(live: Generation, options: unknown): boolean {
    const { optionsListener, definition } = live
    let next: unknown
    try { next = validate(definition.options, options ?? {}, "") } catch { return false }
    if (isDeepStrictEqual(live.options, next)) return true
    try {
      if (!optionsListener || runAs(live, () => optionsListener(next as never, live.options as never)) === "reload") return false
    } catch (error) {
      live.fault("throw", "onOptions", error)
      return false
    }
    live.options = next
    return true
  }

  /** Services without which it cannot be. */
  get waitsFor(): string[] { return [...this.failures.values()].flatMap(({ waitsFor }) => [...waitsFor]) }
  /** Has what it waited for come, or what stood in its way gone? */
  get mayGoOn(): boolean { return [...this.failures.values()].some((failure) => this.#cured(failure)) }
  #cured({ waitsFor, clash }: Failure): boolean {
    return [...waitsFor].some((service) => this.realm.table.service(service)) || (clash !== undefined && !this.kernel.rival(this, clash))
  }

  // ── going back ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The newest good closure; going back, the newest before the live one. */
  #lastGood(back: boolean): Candidate | undefined {
    const earlier = this.#good.findIndex(({ kept }) => kept!.hash !== this.live?.evaluation.hash)
    if (back) this.#good.splice(0, earlier < 0 ? this.#good.length : earlier)
    return this.#good[0]
  }

  #rejects({ entry }: { entry: string }): boolean {
    const files = this.#rejected.get(entry)
    return files !== undefined && [...files].every(([path, hash]) => (this.kernel.files.hash(path) ?? "") === hash)
  }

  remember(good: Candidate, undone: boolean): void {
    if (!undone) this.#rejected.delete(good.entry)
    if (this.#good[0]?.kept!.hash === good.kept!.hash) this.#good.shift()
    this.#good.unshift(good)
    this.#good.length = Math.min(this.#good.length, BOUNDS.sources)
  }

  /** Back to the last good closure before the live one, evaluated again from its kept source as a new generation; the undone bytes are refused until one changes. */
  async undo(reason: string, cause = "undo"): Promise<void> {
    const { live } = this
    if (!live) throw new KernelError("Refused", `"${this.id}" is not live`)
    const { entry, files } = live.evaluation
    const again = this.#rejects({ entry })
    if (!again) this.#rejected.set(entry, new Map(files))
    this.undone = reason
    await this.request(cause, 0, live)
    if (this.live !== live) return
    if (!again) this.#rejected.delete(entry)
    throw new KernelError("Refused", `"${this.id}" cannot go back: ${this.kernel.control.journal(this.id).at(-1)?.message}`)
  }

  // ── what it is ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Nothing is wrong with what is live. */
  rest({ entry }: { entry: string }): true {
    this.failures.delete(entry)
    this.status = "live"
    this.reason = ""
    return true
  }

  /** The one assignment of a commit: another generation stands in the table. */
  become(generation: Generation | undefined, candidate: Candidate | undefined): void {
    this.live = generation
    this.candidate = candidate
    this.kernel.invalidate(this.realm)
  }

  /** Out of the table, with exactly what it added; its state and its number stay for its return. */
  leave(outcome: "removed" | "disabled" | "waiting" | "reverted" | "refused", reason: string, message = reason): void {
    const { live, kernel, realm } = this
    this.status = outcome === "removed" || outcome === "reverted" ? "failed" : outcome
    this.reason = reason
    if (!live) return
    this.become(undefined, this.candidate)
    this.retire(live)
    kernel.tellRows(realm, live.allRows(), [])
    this.record({ cause: reason, outcome, gen: live.gen, message })
    this.tell(outcome === "waiting" ? "plugin.waiting" : "plugin.removed", { gen: live.gen, file: live.evaluation.entry, reason })
    kernel.servicesChanged([...live.services.keys()])
  }

  /** A service that it needs is gone: it waits, and comes back with it. */
  suspend(service: string): void {
    const { entry, hash, watched } = this.live!.evaluation
    this.leave("waiting", `waits for "${service}"`)
    this.failures.set(entry, { status: "waiting", reason: this.reason, kept: this.#rejects({ entry }) ? hash : undefined, options: this.kernel.wants.options(this), watched, stale: () => false, waitsFor: new Set([service]) })
  }

  /** So many may serve out their leases at once; the oldest is forced first. */
  retire(generation: Generation): void {
    this.retiring.add(generation)
    const serving = [...this.retiring].filter(({ forced }) => !forced)
    if (serving.length > BOUNDS.retiring) serving[0]!.force()
    void generation.retire().finally(() => this.retiring.delete(generation))
  }

  /** The files and directories whose change may change it. */
  watched(): string[] { return [...(this.live?.evaluation.watched ?? []), ...[...this.failures.values()].flatMap(({ watched }) => watched)] }

  /** Ends with every generation closed, and whatever was coming up given up. */
  async close(): Promise<void> {
    this.#closed = true
    this.#ended.resolve(undefined)
    this.#transaction?.supersede()
    await this.running
    const { live } = this
    if (live) this.become(undefined, this.candidate)
    await Promise.all([...this.retiring, ...(live ? [live] : [])].map((generation) => generation.close()))
  }
}
