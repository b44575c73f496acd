/**
 * createKernel ties the three parts together: what the roots hold, which realms are open, and one unit for each plugin in
 * each realm. It compares what disk and config want with what is live, and lets the units close the difference.
 */
import { isAbsolute, join } from "node:path"
import { existsSync, realpathSync } from "node:fs"
import { formatWithOptions } from "node:util"
import type { Control, Host, JournalEntry, KernelView, Outcome, PluginView, RealmView, Root } from "./control.ts"
import type { Definition, Graft, Row, RowChange } from "./instance.ts"
import type { Fault, LogEntry } from "./vocabulary.ts"
import { WORDS } from "./instance.ts"
import { Bus } from "./bus/bus.ts"
import { owner } from "./bus/attribution.ts"
import { BOUNDS, deferred, systemClock, within, type Clock } from "./clock.ts"
import { KernelError, messageOf, Unavailable } from "./errors.ts"
import { Compiler } from "./loader/compile.ts"
import { discover, digestOf, RANKS } from "./loader/discover.ts"
import { evaluate, inline, type Evaluation } from "./loader/evaluation.ts"
import { Files } from "./loader/files.ts"
import type { Workshop } from "./loader/modules.ts"
import { Generation } from "./loader/generation.ts"
import { Unit, type Candidate } from "./loader/unit.ts"
import { createInstance } from "./loader/words.ts"
import { locationOf, Realm } from "./registry/realm.ts"
import { diffRows, type SlotRow } from "./registry/table.ts"

export const VERSION = "0.1.0"

export interface KernelOptions extends Host {
  roots?: readonly Root[]
  clock?: Clock
  /** Compiled sources are kept here, 0700. Default `<dataDir>/cache/compiled`; without either, in memory only. */
  cacheDir?: string
  /** What a build made ahead for the built-ins: compiled sources by content, and bundled packages by specifier. */
  shipped?: { compiled: string; packages: Record<string, string> }
  /** Load only these ids, or all but these. */
  only?: readonly string[]
  skip?: readonly string[]
  /** Attribute the process's unhandled rejections and uncaught exceptions to plugins, and live on. Default false. */
  contain?: boolean
}

type Arrival = { realm: Realm; service: string; resolve(): void; reject(error: Error): void }

export class Kernel {
  readonly version = VERSION
  readonly clock: Clock
  readonly files = new Files()
  readonly bus: Bus
  readonly control: Control
  readonly root = new Realm()
  readonly locations = new Map<string, Realm>()
  readonly #options: KernelOptions
  readonly #workshop: Workshop
  #roots: Root[]
  /** What `put` added, by realm id and plugin id. */
  readonly #put = new Map<string, Map<string, Candidate>>()
  #found = new Map<string, Candidate[]>()
  /** By entry: whom the plugin is for, learnt when it was last evaluated. */
  readonly #per = new Map<string, "process" | "location">()
  /** Evaluations made to learn `per`, for the first realm that wants one. */
  readonly #spare = new Map<string, Evaluation>()
  readonly #disabled = new Map<string, string>()
  readonly #blocks = new Map<string, Record<string, unknown>>()
  readonly #journal: JournalEntry[] = []
  readonly #logs: LogEntry[] = []
  readonly #arrivals = new Set<Arrival>()
  readonly #uncontain: () => void
  #busy = 0
  #idle: PromiseWithResolvers<void> | undefined
  #serial = 0
  #closed = false

  constructor(options: KernelOptions = {}) {
    this.#options = options
    this.clock = options.clock ?? systemClock
    this.#roots = (options.roots ?? []).map((root) => ({ ...root }))
    const cache = options.cacheDir ?? (options.dataDir === undefined ? undefined : join(options.dataDir, "cache", "compiled"))
    this.#workshop = { compiler: new Compiler(cache, options.shipped?.compiled), files: this.files, packages: new Map(Object.entries(options.shipped?.packages ?? {})) }
    this.bus = new Bus(this.clock, () => this.root, () => this.locations.values())
    this.control = this.#makeControl()
    this.host(this.root)
    this.#uncontain = options.contain ? this.#contain() : () => {}
  }

  // ── what is wanted ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The places a unit's plugin may come from, the strongest first: what a project has, then the user, packages, built-ins. */
  candidates(unit: Unit): Candidate[] {
    const put = this.#put.get(unit.realm.id)?.get(unit.id)
    const found = (this.#found.get(unit.id) ?? []).filter((candidate) => {
      if (candidate.location !== undefined) return candidate.location === unit.realm.location
      const per = this.#per.get(candidate.entry) ?? candidate.per
      return per === undefined ? unit.realm === this.root : per === (unit.realm === this.root ? "process" : "location")
    })
    return put ? [put, ...found] : found
  }

  /** Learns whom an evaluated plugin is for; false when that is not this unit's kind of realm. */
  belongs(unit: Unit, candidate: Candidate, evaluation: Evaluation): boolean {
    if (candidate.definition) return true
    const builtIn = this.#found.get(unit.id)?.find((other) => other.kind === "built-in" && other !== candidate)
    const per = candidate.per ?? evaluation.definition.per ?? (builtIn && this.#per.get(builtIn.entry)) ?? (candidate.kind === "built-in" ? "process" : "location")
    if (candidate.location !== undefined) {
      if (builtIn && this.#per.get(builtIn.entry) === "process") throw new KernelError("Refused", `${candidate.entry} has the id of the process-wide plugin "${unit.id}"; a project cannot replace it: rename the file`)
      return true
    }
    const changed = this.#per.get(candidate.entry) !== per
    this.#per.set(candidate.entry, per)
    if (per === (unit.realm === this.root ? "process" : "location")) return true
    this.#spare.set(candidate.entry, evaluation)
    if (changed) for (const realm of per === "process" ? [this.root] : this.locations.values()) void this.unit(realm, unit.id).request("its realm changed")
    return false
  }

  disabledReason(unit: Unit): string | undefined {
    const { only, skip } = this.#options
    const file = unit.id !== "host" && !this.#put.get(unit.realm.id)?.has(unit.id)
    if (file && (skip?.includes(unit.id) || (only && !only.includes(unit.id)))) return "left out at start"
    return this.#disabled.get(unit.id) ?? (this.#block(unit) === false ? "disabled in the config" : undefined)
  }

  optionsOf(unit: Unit): unknown {
    const block = this.#block(unit)
    return block === false || block === true ? undefined : block
  }

  #block(unit: Unit): unknown {
    return this.#blocks.get(unit.realm.id)?.[unit.id] ?? this.#blocks.get("root")?.[unit.id]
  }

  async load(candidate: Candidate, watch: (stale: () => boolean) => void): Promise<Evaluation> {
    if (candidate.definition) return inline(candidate.id, candidate.definition, candidate.serial!)
    const spare = this.#spare.get(candidate.entry)
    this.#spare.delete(candidate.entry)
    if (spare && !spare.stale()) return spare
    return evaluate(candidate, this.#workshop, watch)
  }

  /** The same closure again, from the sources that were kept. */
  async reload(candidate: Candidate, good: Evaluation): Promise<Evaluation> {
    if (candidate.definition) return inline(candidate.id, candidate.definition, candidate.serial!)
    return { ...(await evaluate(candidate, this.#workshop, () => {}, good.sources)), hash: good.hash }
  }

  async admit(candidate: Candidate): Promise<void> {
    const { digest, files } = digestOf(candidate.entry, this.files)
    const realm = candidate.location === undefined ? this.root : this.open(candidate.location)
    const verdict = (await this.bus.decide(realm, "plugin.admit", { plugin: candidate.id, realpath: candidate.entry, root: candidate.root, digest, files }, "kernel@0")) as { admit: boolean; reason?: string } | undefined
    if (verdict?.admit !== true) throw new KernelError("Refused", verdict?.reason ?? `${candidate.root} is not trusted`)
  }

  // ── reconcile ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Level-triggered: every unit is compared with the truth; hints only say which bytes not to take on trust, and that the disk is moving. */
  async reconcile(hints: readonly string[] = [], cause = hints.length ? "a file changed" : "rescan"): Promise<void> {
    if (this.#closed) return
    this.files.distrust(hints)
    const found = discover(this.#roots, [...this.locations.keys()])
    const gone = new Set([...this.#found].flatMap(([id, list]) => list.filter((old) => !found.get(id)?.some((now) => now.entry === old.entry)).map(() => id)))
    this.#found = found
    const passes: Promise<void>[] = []
    for (const realm of [this.root, ...this.locations.values()]) {
      for (const id of new Set([...realm.units.keys(), ...this.#idsFor(realm)])) {
        if (id === "host") continue
        passes.push(this.unit(realm, id).request(cause, hints.length ? (gone.has(id) ? BOUNDS.vanish : BOUNDS.settle) : 0))
      }
    }
    await Promise.all(passes)
    this.#explainWaits()
  }

  #idsFor(realm: Realm): string[] {
    return [...this.#found].filter(([, candidates]) => candidates.some((candidate) => (candidate.location !== undefined ? candidate.location === realm.location : (realm === this.root) !== (this.#per.get(candidate.entry) === "location")))).map(([id]) => id)
  }

  unit(realm: Realm, id: string): Unit {
    let unit = realm.units.get(id)
    if (!unit) realm.units.set(id, (unit = new Unit(this, realm, id)))
    return unit
  }

  forget(unit: Unit): void {
    if (unit.realm.units.get(unit.id) === unit && !unit.live && unit.retiring.length === 0 && unit.kept.names().length === 0) unit.realm.units.delete(unit.id)
  }

  /** When all is quiet, who still waits learns the whole path of its wait; a circle is said as one. */
  #explainWaits(): void {
    for (const realm of [this.root, ...this.locations.values()]) {
      for (const unit of realm.units.values()) {
        if (unit.live || !unit.failure?.waitsFor.size) continue
        const path = [unit.id]
        let reason = ""
        for (let at: Unit | undefined = unit; at; ) {
          const service: string = [...at.failure!.waitsFor][0]!
          const next: Unit | undefined = [...realm.units.values(), ...this.root.units.values()].find((other) => other.offers.has(service) && !other.live)
          path.push(service)
          if (!next) reason = `waits for "${path.slice(1).join('" → "')}": nobody provides "${service}"`
          else if (!next.failure?.waitsFor.size) reason = `waits for "${service}" of ${next.id}, which is ${next.status}: ${next.reason}`
          else if (path.includes(next.id)) reason = `waits in a circle: ${[...path.filter((_, i) => i % 2 === 0), next.id].join(" → ")}`
          else path.push(next.id)
          at = reason ? undefined : next
        }
        if (unit.reason !== reason) {
          unit.reason = reason
          this.record(unit, { cause: "waiting", outcome: "waiting", gen: unit.gen, message: reason, times: {} })
        }
      }
    }
  }

  // ── realms ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The realm of a directory's project, opened if need be; its plugins come up behind, and calls wait for them. */
  open(directory: string): Realm {
    const location = locationOf(directory)
    let realm = this.locations.get(location)
    if (realm) return realm
    if (this.#closed) throw new KernelError("Retired", "the kernel is closed")
    realm = new Realm(location, this.root)
    this.locations.set(location, realm)
    this.host(realm)
    this.tell(this.root, "location.opened", { location })
    this.busy(1)
    void this.reconcile([], "location opened").finally(() => this.busy(-1))
    return realm
  }

  hold(realm: Realm): () => void {
    realm.leases++
    realm.idleTimer?.()
    let held = true
    return () => {
      if (!held) return
      held = false
      if (--realm.leases > 0 || this.#closed) return
      realm.idleTimer = this.clock.after(BOUNDS.idleLocation, () => { if (realm.leases === 0) void this.#closeLocation(realm) })
    }
  }

  async #closeLocation(realm: Realm): Promise<void> {
    this.locations.delete(realm.location!)
    realm.idleTimer?.()
    await Promise.all([...realm.units.values()].reverse().map((unit) => unit.close()))
    if (!this.#closed) this.tell(this.root, "location.closed", { location: realm.location })
  }

  /** The embedding program's own generation in a realm: always live, never reloaded. */
  host(realm: Realm): Graft & Disposable {
    const unit = this.unit(realm, "host")
    if (!unit.live) {
      const evaluation = inline("host", { setup() {} }, 0)
      const generation = new Generation(unit, 1, evaluation, {})
      Object.assign(unit, { live: generation, gen: 1, status: "live", reason: "", candidate: { id: "host", entry: evaluation.entry, kind: "host", rank: RANKS.host, root: "", guarded: false } })
      generation.state = "live"
      this.invalidate(realm)
    }
    return createInstance(unit.live!, realm, realm === this.root ? () => {} : this.hold(realm))
  }

  /** A change in the root is a change of what every location sees. */
  invalidate(realm: Realm): void {
    realm.invalidate()
    if (realm === this.root) for (const location of this.locations.values()) location.table.invalidate()
  }

  // ── services ────────────────────────────────────────────────────────────────────────────────────────────────────

  checkWord(service: string): void {
    if ((WORDS as readonly string[]).includes(service) || service === "then") throw new KernelError("Invalid", `"${service}" is a word of the kernel and cannot be a service: choose another name`)
  }

  perLocation(service: string): boolean {
    return this.providerBelow(this.root, service) !== undefined || [...this.#found.values()].flat().some((candidate) => this.#per.get(candidate.entry) === "location" && candidate.id === service)
  }

  providerBelow(realm: Realm, service: string): Generation | undefined {
    if (realm !== this.root) return undefined
    for (const location of this.locations.values()) for (const generation of location.live()) if (generation.services.has(service)) return generation
    return undefined
  }

  /** Live plugins, other than its provider, that need a service. */
  consumers(realm: Realm, service: string, provider: Unit): string[] {
    return this.#within(realm).flatMap((each) => each.live()).filter((generation) => generation.unit !== provider && generation.observed.has(service)).map((generation) => generation.name)
  }

  #within(realm: Realm): Realm[] { return realm === this.root ? [realm, ...this.locations.values()] : [realm] }

  arrival(realm: Realm, service: string, milliseconds: number): Promise<void> {
    const wait = deferred()
    const arrival: Arrival = { realm, service, resolve: wait.resolve, reject: wait.reject }
    this.#arrivals.add(arrival)
    if (!this.#coming(realm)) queueMicrotask(() => this.#giveUp(arrival))
    return within(this.clock, milliseconds, `waiting for "${service}"`, wait.promise).finally(() => this.#arrivals.delete(arrival))
  }

  /** Is anything still coming up that might provide what is asked for? */
  #coming(realm: Realm): boolean {
    return [realm, this.root].some((each) => [...each.units.values()].some((unit) => unit.busy))
  }

  #giveUp(arrival: Arrival): void {
    if (!arrival.realm.table.service(arrival.service) && !this.#coming(arrival.realm)) arrival.reject(new Unavailable(arrival.service))
  }

  /** Services went or came: who needs a lost one waits, who waited is tried again. */
  servicesChanged(realm: Realm, gone: readonly string[], came: readonly string[]): void {
    for (const each of this.#within(realm)) {
      for (const unit of each.units.values()) {
        const lost = gone.find((service) => unit.live?.observed.has(service) && !each.table.service(service))
        if (lost !== undefined) unit.suspend(lost)
        else if (unit.failure && (gone.length > 0 ? unit.failure.status === "failed" : false)) void unit.request("a service went")
        else if (unit.failure && came.some((service) => unit.failure!.waitsFor.has(service))) void unit.request("a service came")
      }
    }
    for (const arrival of this.#arrivals) if (arrival.realm.table.service(arrival.service)) arrival.resolve()
  }

  // ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

  tell(realm: Realm, event: string, payload: unknown): void { this.bus.emit(realm, event, payload, "kernel@0") }

  /** Tells the readers of a slot what a commit changed in it. */
  tellRows(realm: Realm, before: readonly SlotRow[], after: readonly SlotRow[]): void {
    const changes = diffRows(before, after, (row) => realm.table.view(row) as Row<unknown>)
    if (changes.size === 0) return
    for (const reader of [this.root, ...this.locations.values()].flatMap((each) => each.live())) {
      for (const { realm: seen, slot, listener } of [...reader.slotListeners]) {
        const change = changes.get(slot)
        if (change && (seen === realm || realm === this.root)) void reader.handle(`${slot} changed`, BOUNDS.notify, () => listener(change as RowChange<unknown>))
      }
    }
  }

  record(unit: Unit, entry: Omit<JournalEntry, "at" | "plugin" | "realm"> & { outcome: Outcome }): void {
    this.#journal.push({ at: this.clock.now(), plugin: unit.id, realm: unit.realm.id, ...entry })
    if (this.#journal.length > BOUNDS.journal) this.#journal.shift()
  }

  log(generation: Generation, level: LogEntry["level"], parts: readonly unknown[]): void {
    const entry: LogEntry = { at: this.clock.now(), plugin: generation.unit.id, gen: generation.gen, realm: generation.realm.id, level, text: formatWithOptions({ colors: false, depth: 4, breakLength: Infinity }, ...parts).slice(0, 8_192) }
    this.#logs.push(entry)
    if (this.#logs.length > BOUNDS.journal) this.#logs.shift()
    this.tell(generation.realm, "plugin.logged", entry)
  }

  /** A fault of one plugin is told, and never loops: one that was caused by hearing of faults is only written down. */
  fault(generation: Generation, kind: Fault["kind"], during: string, error: unknown): void {
    const place = generation.evaluation.locate(error)
    const fault: Fault = { plugin: generation.unit.id, gen: generation.gen, realm: generation.realm.id, kind, during, message: messageOf(error), where: place?.where, frame: place?.frame }
    this.record(generation.unit, { cause: during, outcome: "failed", phase: "live", gen: generation.gen, message: fault.message, where: fault.where, frame: fault.frame, times: {} })
    if (during !== "on kernel.fault" && !this.#closed) this.tell(generation.realm, "kernel.fault", fault)
  }

  #contain(): () => void {
    const caught = (kind: "rejection" | "throw") => (error: unknown) => {
      const culprit = owner()
      if (culprit) return culprit.fault(kind, kind === "rejection" ? "an unhandled rejection" : "an uncaught exception", error)
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
      process.exit(1)
    }
    const [rejection, exception] = [caught("rejection"), caught("throw")]
    process.on("unhandledRejection", rejection).on("uncaughtException", exception)
    return () => void process.off("unhandledRejection", rejection).off("uncaughtException", exception)
  }

  // ── being settled ───────────────────────────────────────────────────────────────────────────────────────────────

  busy(delta: 1 | -1): void {
    this.#busy += delta
    if (this.#busy > 0) return
    for (const arrival of this.#arrivals) this.#giveUp(arrival)
    this.#idle?.resolve()
    this.#idle = undefined
  }

  async settled(milliseconds = 10_000): Promise<void> {
    while (this.#busy > 0) await within(this.clock, milliseconds, "settling", (this.#idle ??= deferred()).promise)
    this.#explainWaits()
  }

  // ── the faces ───────────────────────────────────────────────────────────────────────────────────────────────────

  #everywhere(id: string): Unit[] { return this.#within(this.root).flatMap((realm) => realm.units.get(id) ?? []) }

  async put(id: string, definition: Definition<never, never>, location?: string): Promise<void> {
    const realm = location === undefined ? this.root : this.open(location)
    const put = this.#put.get(realm.id) ?? new Map<string, Candidate>()
    this.#put.set(realm.id, put)
    const serial = ++this.#serial
    put.set(id, { id, entry: `put:${id}#${serial}`, kind: "host", rank: RANKS.host, root: "", guarded: false, definition: typeof definition === "function" ? { setup: definition } : definition, serial })
    await this.unit(realm, id).request("put")
    this.#explainWaits()
  }

  async drop(id: string, location?: string): Promise<void> {
    const realm = location === undefined ? this.root : this.open(location)
    this.#put.get(realm.id)?.delete(id)
    await this.unit(realm, id).request("drop")
  }

  async undo(id: string, reason = "undone by hand", location?: string): Promise<void> {
    const units = this.#everywhere(id).filter((unit) => unit.live && (location === undefined || unit.realm.location === location))
    if (units.length === 0) throw new KernelError("Refused", `no live plugin "${id}"`)
    for (const unit of units) await unit.undo(reason)
  }

  async start(): Promise<void> { await this.reconcile([], "start") }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const realm of this.locations.values()) await this.#closeLocation(realm)
    await Promise.all([...this.root.units.values()].reverse().map((unit) => unit.close()))
    this.#uncontain()
  }

  #makeControl(): Control {
    return {
      version: VERSION,
      host: { dataDir: this.#options.dataDir, config: this.#options.config },
      reconcile: (hints) => this.reconcile(hints),
      settled: (milliseconds) => this.settled(milliseconds),
      inspect: () => this.inspect(),
      journal: (plugin) => this.#journal.filter((entry) => plugin === undefined || entry.plugin === plugin),
      logs: (plugin) => this.#logs.filter((entry) => plugin === undefined || entry.plugin === plugin),
      undo: (plugin, reason, location) => this.undo(plugin, reason, location),
      pin: (plugin, pinned = true) => { for (const unit of this.#everywhere(plugin)) unit.pinned = pinned },
      enable: async (plugin) => {
        this.#disabled.delete(plugin)
        await this.reconcile([], "enabled")
      },
      disable: async (plugin, reason = "disabled by hand") => {
        this.#disabled.set(plugin, reason)
        await this.reconcile([], "disabled")
      },
      put: (id, definition, location) => this.put(id, definition as Definition<never, never>, location),
      drop: (id, location) => this.drop(id, location),
      configure: async (location, blocks) => {
        this.#blocks.set(location === undefined ? "root" : locationOf(location), blocks)
        await this.reconcile([], "config changed")
      },
      roots: () => this.#roots,
      addRoot: async (root) => {
        this.#roots.push(root)
        await this.reconcile([], "a root was added")
        return async () => {
          this.#roots = this.#roots.filter((other) => other !== root)
          await this.reconcile([], "a root was removed")
        }
      },
      locations: () => [...this.locations.keys()],
      watched: () => this.#watched(),
    }
  }

  #watched(): string[] {
    const paths = new Set<string>()
    for (const root of this.#roots) for (const dir of isAbsolute(root.dir) ? [root.dir] : [...this.locations.keys()].map((location) => join(location, root.dir))) paths.add(existsSync(dir) ? realpathSync(dir) : dir)
    for (const unit of this.#within(this.root).flatMap((realm) => [...realm.units.values()])) for (const path of unit.watched()) paths.add(path)
    return [...paths]
  }

  inspect(): KernelView {
    return { version: VERSION, realms: this.#within(this.root).map((realm) => this.#viewRealm(realm)) }
  }

  #viewRealm(realm: Realm): RealmView {
    const generations = realm.live()
    return {
      id: realm.id, location: realm.location, leases: realm.leases,
      services: Object.fromEntries(generations.flatMap((generation) => [...generation.services.keys()].map((service) => [service, generation.name]))),
      slots: Object.fromEntries(realm.table.slotNames().map((slot) => [slot, realm.table.rows(slot).filter((row) => row.generation.realm === realm).map((row) => row.key)])),
      plugins: [...realm.units.values()].filter((unit) => unit.id !== "host").sort((a, b) => (a.id < b.id ? -1 : 1)).map(viewUnit),
    }
  }
}

function viewUnit(unit: Unit): PluginView {
  const { live } = unit
  const generations = [...(live ? [live] : []), ...unit.retiring.map(({ generation }) => generation)]
  return {
    id: unit.id, realm: unit.realm.id, status: unit.status, reason: unit.reason, pinned: unit.pinned, gen: live?.gen ?? 0, hash: live?.evaluation.hash ?? "",
    file: live?.evaluation.entry ?? unit.failure?.entry, root: unit.candidate?.kind === "host" ? undefined : unit.candidate?.kind,
    files: [...(live?.evaluation.files.keys() ?? [])], services: [...(live?.services.keys() ?? [])], events: [...new Set(live?.listeners.map(({ event }) => event))], needs: [...(live?.observed ?? unit.failure?.waitsFor ?? [])],
    slots: Object.fromEntries([...(live?.rows ?? [])].map(([slot, rows]) => [slot, [...rows.keys()]])),
    calls: unit.calls, errors: unit.errors, crashes: unit.crashes, handlerMilliseconds: unit.handlerMilliseconds, dropped: unit.dropped, kept: unit.kept.names(),
    generations: generations.map((generation) => ({ gen: generation.gen, state: generation.state, leases: generation.leases, hash: generation.evaluation.hash, since: generation.since, timers: generation.timers.size, forks: generation.forks.size, listeners: generation.listeners.length, rows: generation.allRows().length, cleanups: generation.cleanups })),
  }
}

export interface EmbeddedKernel extends Pick<Control, "reconcile" | "settled" | "inspect" | "journal" | "logs" | "put" | "drop" | "undo" | "pin">, Pick<Graft, "use" | "on" | "emit" | "add" | "all"> {
  /** The instance of the root realm. */
  readonly graft: Graft
  start(): Promise<void>
  /** The instance of a project's realm, which stays open until disposed. */
  child(location: string): Promise<Graft & Disposable>
  close(): Promise<void>
}

/** A kernel for a program to embed. Nothing is loaded before `start()`. */
export function createKernel(options: KernelOptions = {}): EmbeddedKernel {
  const kernel = new Kernel(options)
  const graft = kernel.host(kernel.root)
  const { control } = kernel
  return {
    graft,
    start: () => kernel.start(),
    close: () => kernel.close(),
    child: async (location) => kernel.host(kernel.open(location)),
    ...control,
    use: graft.use, on: graft.on, emit: graft.emit, add: graft.add, all: graft.all,
  }
}
