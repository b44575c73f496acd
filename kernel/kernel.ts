/**
 * createKernel ties the three parts together: one unit for each plugin in each realm, compared again and again with what
 * disk and config want; the units close the difference.
 */
import { join, sep } from "node:path"
import { formatWithOptions } from "node:util"
import type { Control, Host, JournalEntry, Root } from "./control.ts"
import type { Definition, Graft, RowChange } from "./instance.ts"
import type { AdmitAsk, AdmitVerdict, Fault, LogEntry } from "./vocabulary.ts"
import { Bus } from "./bus/bus.ts"
import { contain } from "./bus/attribution.ts"
import { BOUNDS, Conditions, sleep, systemClock, type Clock } from "./clock.ts"
import { KernelError, messageOf, Unavailable } from "./errors.ts"
import { Compiler } from "./loader/compile.ts"
import { contentOf } from "./loader/discover.ts"
import { Files, sha256 } from "./loader/files.ts"
import { Generation } from "./loader/generation.ts"
import type { Admitted } from "./loader/modules.ts"
import type { Shipped } from "./loader/shipped.ts"
import { Unit, type Candidate } from "./loader/unit.ts"
import { Wants } from "./loader/wants.ts"
import { createInstance } from "./loader/words.ts"
import { leaseIn } from "./registry/lease.ts"
import { once } from "./registry/once.ts"
import { locationOf, Realm } from "./registry/realm.ts"
import { diffRows, type SlotRow } from "./registry/table.ts"
import { viewRealm, whyWaiting } from "./view.ts"

export const VERSION = "0.1.0"

export interface KernelOptions extends Host {
  roots?: readonly Root[]
  clock?: Clock
  /** Compiled sources are kept here, 0700. Default `<dataDir>/cache/compiled`; without either, in memory only. */
  cacheDir?: string
  /** What a build made ahead for the built-ins: compiled sources by content, and bundled packages by specifier. */
  shipped?: { compiled: Shipped; packages: Record<string, string> }
  /** Come up before the rest: what they say holds for everybody's first load. */
  first?: readonly string[]
  /** Load only these ids, or all but these. */
  only?: readonly string[]
  skip?: readonly string[]
  /** Attribute the process's unhandled rejections and uncaught exceptions to plugins, and live on. Default false. */
  contain?: boolean
}

export class Kernel {
  readonly version = VERSION
  readonly clock: Clock
  readonly files = new Files()
  readonly bus: Bus
  readonly wants: Wants
  readonly control: Control
  readonly root = new Realm()
  readonly locations = new Map<string, Realm>()
  readonly #journal: JournalEntry[] = []
  readonly #logs: LogEntry[] = []
  /** Who comes up first at the start: the others wait for it. */
  leaders: { ids: readonly string[]; up: Promise<unknown> } | undefined
  readonly #uncontain: () => void
  #touched = 0
  #turn: number | undefined
  #settling: Promise<void> | undefined
  readonly #conditions = new Conditions()
  #busy = 0
  #coming = 0
  #closed = false
  #closing: Promise<void> | undefined

  constructor(options: KernelOptions = {}) {
    this.clock = options.clock ?? systemClock
    const cache = options.cacheDir ?? (options.dataDir === undefined ? undefined : join(options.dataDir, "cache", "compiled"))
    const workshop = { compiler: new Compiler(cache, options.shipped?.compiled), files: this.files, packages: new Map(Object.entries(options.shipped?.packages ?? {})), held: new Map<string, string>(), breathe: () => this.breathe() }
    this.wants = new Wants(workshop, this.locations, options)
    this.bus = new Bus(this)
    this.control = this.#makeControl({ dataDir: options.dataDir, config: options.config })
    this.host(this.root)
    this.#uncontain = options.contain ? contain() : () => {}
  }

  realms(): Realm[] { return [this.root, ...this.locations.values()] }
  units(): Unit[] { return this.realms().flatMap((realm) => [...realm.units.values()]) }

  // ── reconcile ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Level-triggered: every unit is compared with the truth. Hints say which bytes not to take on trust, and that the disk is moving: so many wait for quiet, and share a pass. */
  reconcile(hints: readonly string[] = [], cause = "rescan"): Promise<void> {
    this.files.distrust(hints)
    if (hints.length === 0) return this.#pass(cause, 0)
    this.#touched = this.clock.now()
    return (this.#settling ??= this.#quiet().then((settle) => {
      this.#settling = undefined
      return this.#pass("a file changed", settle)
    }))
  }

  /** 30 ms without a hint, at most a second in a storm. Gives how long it took. */
  async #quiet(): Promise<number> {
    const started = this.#touched
    this.busy(1)
    for (let left: number = BOUNDS.settle; left > 0; left = Math.min(this.#touched + BOUNDS.settle, started + BOUNDS.settleMost) - this.clock.now()) {
      await sleep(this.clock, left)
    }
    this.busy(-1)
    return this.clock.now() - started
  }

  async #pass(cause: string, settle: number): Promise<void> {
    if (this.#closed) return
    this.busy(1)
    try {
      const gone = this.wants.look()
      const compare = async (realm: Realm, id: string): Promise<void> => {
        // A file that an editor is just replacing is gone for a moment.
        if (settle > 0 && gone.has(id)) await sleep(this.clock, BOUNDS.vanish).then(() => this.wants.look())
        await this.unit(realm, id).request(cause, settle)
      }
      const idsOf = (realm: Realm) => [...new Set([...realm.units.keys(), ...this.wants.idsFor(realm)])].filter((id) => id !== "host")
      await Promise.all(this.realms().flatMap((realm) => idsOf(realm).map((id) => compare(realm, id))))
    } finally {
      this.busy(-1)
    }
    this.#explainWaits()
  }

  start(first: readonly string[] = []): Promise<void> {
    this.#coming++
    const pass = this.reconcile([], "start").finally(() => { this.#coming-- })
    const up = Promise.all(first.map((id) => this.root.units.get(id)?.running)).finally(() => { this.leaders = undefined })
    this.leaders = { ids: first, up }
    return pass
  }

  /** Late in a long turn of the loop: the next one. Asked right before work, again and again, until there is nothing to wait for. */
  breathe(): Promise<void> | undefined {
    this.#turn ??= (setImmediate(() => { this.#turn = undefined }), performance.now())
    return performance.now() - this.#turn > BOUNDS.turn ? new Promise((resolve) => void setImmediate(resolve)) : undefined
  }

  unit(realm: Realm, id: string): Unit { return once(realm.units, id, () => new Unit(this, realm, id)) }

  /** Asks before a byte is compiled; the answer holds for the bytes that were asked about. */
  async admit(candidate: Candidate, realm: Realm): Promise<Admitted> {
    const content = contentOf(candidate, this.files)
    const ask: AdmitAsk = { plugin: candidate.id, realpath: candidate.entry, root: candidate.root, digest: sha256(JSON.stringify([...content])), files: [...content.keys()] }
    const verdict = (await this.bus.decide(realm, "plugin.admit", ask, "kernel@0")) as AdmitVerdict | undefined
    if (verdict?.admit !== true) throw new KernelError("Refused", verdict?.reason ?? `${candidate.root} is not trusted`)
    return (path, hash) => content.get(path) === hash || (verdict.below !== undefined && path.startsWith(join(verdict.below, sep)))
  }

  /** When all is quiet, who still waits learns the whole path of its wait; a circle is said as one. */
  #explainWaits(): void {
    for (const unit of this.units()) {
      if (unit.live || unit.busy || !unit.waitsFor.length) continue
      const reason = whyWaiting(unit, this.root)
      if (unit.reason === reason) continue
      unit.reason = reason
      unit.record({ cause: "waiting", outcome: "waiting", gen: unit.gen, message: reason })
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
    this.hold(realm)()
    this.tell(this.root, "location.opened", { location })
    void this.reconcile([], "location opened")
    return realm
  }

  hold(realm: Realm): () => void {
    realm.idleTimer?.()
    return leaseIn(realm.leases, () => {
      if (realm.leases.size > 0 || this.#closed) return
      realm.idleTimer = this.clock.after(BOUNDS.idleLocation, () => void this.#closeLocation(realm))
    })
  }

  async #closeLocation(realm: Realm): Promise<void> {
    this.locations.delete(realm.location!)
    realm.idleTimer?.()
    await this.#closeUnits(realm)
    if (!this.#closed) this.tell(this.root, "location.closed", { location: realm.location })
  }

  /** Who needs others closes before them. */
  async #closeUnits({ units }: Realm): Promise<void> {
    for (let left = [...units.values()]; left.length; ) {
      const needed = new Set(left.flatMap(({ live }) => [...(live?.observed ?? [])]))
      const free = left.filter(({ live }) => ![...(live?.services.keys() ?? [])].some((service) => needed.has(service)))
      const closing = free.length ? free : left
      await Promise.all(closing.map((unit) => unit.close()))
      left = left.filter((unit) => !closing.includes(unit))
    }
  }

  /** The embedding program's own generation in a realm: always live, never reloaded. */
  host(realm: Realm): Graft & Disposable {
    const unit = this.unit(realm, "host")
    if (!unit.live) {
      const candidate = this.wants.inline("host", { setup() {} })
      const generation = new Generation(unit, (unit.gen = 1), this.wants.evaluation(candidate), {})
      generation.state = "live"
      unit.become(generation, candidate)
      unit.rest(candidate)
    }
    return createInstance(unit.live!, realm, realm === this.root ? () => {} : this.hold(realm))
  }

  /** A change in the root is a change of what every location sees. */
  invalidate(realm: Realm): void {
    realm.invalidate()
    if (realm === this.root) for (const location of this.locations.values()) location.table.invalidate()
  }

  // ── services ────────────────────────────────────────────────────────────────────────────────────────────────────

  perLocation(service: string): boolean { return this.providerBelow(this.root, service) !== undefined || this.wants.isPerLocation(service) }

  /** Who else provides what this one wants to: in its realm, above it, or below. */
  rival(unit: Unit, service: string): Generation | undefined {
    const found = unit.realm.table.service(service)?.generation ?? this.providerBelow(unit.realm, service)
    return found?.unit === unit ? undefined : found
  }

  providerBelow(realm: Realm, service: string): Generation | undefined {
    if (realm !== this.root) return undefined
    return [...this.locations.values()].flatMap((location) => location.live()).find(({ services }) => services.has(service))
  }

  /** Live plugins, other than its provider, that need a service. */
  consumers(provider: Unit, service: string): string[] {
    const reach = provider.realm === this.root ? this.realms() : [provider.realm]
    return reach.flatMap((realm) => realm.live()).filter(({ unit, observed }) => unit !== provider && observed.has(service)).map(({ name }) => name)
  }

  /** Services went or came: who needs a lost one waits, who may go on is tried again. */
  servicesChanged(gone: readonly string[]): void {
    for (const unit of this.units()) {
      const lost = gone.find((service) => unit.live?.observed.has(service) && !unit.realm.table.service(service))
      if (lost !== undefined) unit.suspend(lost)
      else if (unit.mayGoOn) void unit.request("a service came or went")
    }
    this.#conditions.check()
  }

  /** A call waits for its service, while anything that may bring it is on its way; at the start as long as one plugin may take, for all come up at once. */
  arrival(realm: Realm, service: string): Promise<void> {
    return this.#conditions.until(this.clock, this.#coming > 0 ? BOUNDS.load + BOUNDS.setup : BOUNDS.call, `waiting for "${service}"`, () => {
      if (realm.table.service(service)) return true
      if (![realm, realm.parent ?? realm].some(({ units }) => [...units.values()].some(({ busy }) => busy))) throw new Unavailable(service)
      return false
    })
  }

  // ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

  tell(realm: Realm, event: string, payload: unknown): void { this.bus.emit(realm, event, payload, "kernel@0") }

  /** Tells the readers of a slot what a commit changed in it. */
  tellRows(realm: Realm, before: readonly SlotRow[], after: readonly SlotRow[]): void {
    const seen = (rows: readonly SlotRow[]) => rows.filter((row) => realm.table.valid(row))
    const changes = diffRows(seen(before), seen(after))
    if (changes.size === 0) return
    for (const reader of this.realms().flatMap((each) => each.live())) {
      for (const { realm: seen, slot, listener } of [...reader.slotListeners]) {
        const change = changes.get(slot)
        if (change && (seen === realm || realm === this.root)) void reader.handle(`${slot} changed`, BOUNDS.notify, () => listener(change as RowChange<unknown>))
      }
    }
  }

  record(entry: Omit<JournalEntry, "at" | "times"> & Partial<JournalEntry>): void { append(this.#journal, { at: this.clock.now(), times: {}, ...entry }) }

  log({ unit, gen, realm }: Generation, level: LogEntry["level"], parts: readonly unknown[]): void {
    const text = formatWithOptions({ colors: false, depth: 4, breakLength: Infinity }, ...parts).slice(0, 8_192)
    const entry: LogEntry = { at: this.clock.now(), plugin: unit.id, gen, realm: realm.id, level, text }
    append(this.#logs, entry)
    this.tell(realm, "plugin.logged", entry)
  }

  /** A fault of one plugin is told, and never loops: one that was caused by hearing of faults is only written down. */
  fault({ unit, gen, evaluation }: Generation, kind: Fault["kind"], during: string, error: unknown): void {
    const fault = { gen, message: messageOf(error), where: undefined, frame: undefined, ...evaluation.locate(error) }
    unit.record({ ...fault, cause: during, outcome: "failed", phase: "live" })
    if (during !== "on kernel.fault" && !this.#closed) unit.tell("kernel.fault", { ...fault, kind, during })
  }

  // ── being settled ───────────────────────────────────────────────────────────────────────────────────────────────

  readonly busy = (delta: 1 | -1): void => {
    this.#busy += delta
    if (delta < 0) this.#conditions.check()
  }

  async settled(milliseconds = 10_000): Promise<void> {
    while (this.#busy > 0) await this.#conditions.until(this.clock, milliseconds, "settling", () => this.#busy === 0)
    this.#explainWaits()
  }

  // ── the faces ───────────────────────────────────────────────────────────────────────────────────────────────────

  close(): Promise<void> { return (this.#closing ??= this.#close()) }

  async #close(): Promise<void> {
    this.#closed = true
    for (const realm of this.locations.values()) await this.#closeLocation(realm)
    await this.#closeUnits(this.root)
    this.#uncontain()
  }

  #makeControl(host: Host): Control {
    const ofPlugin = <T extends { plugin: string }>(entries: readonly T[], plugin?: string): T[] => entries.filter((entry) => plugin === undefined || entry.plugin === plugin)
    const change = async (edit: () => void, cause: string) => (edit(), this.reconcile([], cause))
    const everywhere = (id: string): Unit[] => this.units().filter((unit) => unit.id === id)
    /** What is wanted without a file, at the root or in one location. */
    const want = async (id: string, definition: Definition<never, never> | undefined, location?: string): Promise<void> => {
      if (id === "host") throw new KernelError("Refused", `"host" is the embedding program itself: choose another name`)
      const realm = location === undefined ? this.root : this.open(location)
      const unit = this.unit(realm, id)
      unit.put = definition && this.wants.inline(id, definition)
      await unit.request(definition ? "put" : "drop")
      this.#explainWaits()
    }
    return {
      version: VERSION,
      host,
      reconcile: (hints) => this.reconcile(hints),
      settled: (milliseconds) => this.settled(milliseconds),
      inspect: () => ({ version: VERSION, realms: this.realms().map(viewRealm) }),
      journal: (plugin) => ofPlugin(this.#journal, plugin),
      logs: (plugin) => ofPlugin(this.#logs, plugin),
      undo: async (plugin, reason = "undone by hand", location) => {
        const units = everywhere(plugin).filter(({ live, realm }) => live && (location === undefined || realm.location === locationOf(location)))
        if (units.length === 0) throw new KernelError("Refused", `no live plugin "${plugin}"`)
        for (const unit of units) await unit.undo(reason)
      },
      pin: (plugin, pinned = true) => { for (const unit of everywhere(plugin)) unit.pinned = pinned },
      enable: (plugin) => change(() => this.wants.disabled.delete(plugin), "enabled"),
      disable: (plugin, reason = "disabled by hand") => change(() => this.wants.disabled.set(plugin, reason), "disabled"),
      put: (id, definition, location) => want(id, definition as Definition<never, never>, location),
      drop: (id, location) => want(id, undefined, location),
      configure: (location, blocks) => change(() => this.wants.blocks.set(location === undefined ? "root" : locationOf(location), blocks), "config changed"),
      roots: () => this.wants.roots,
      addRoot: async (root) => {
        await change(() => this.wants.roots.push(root), "a root was added")
        return () => change(() => { this.wants.roots = this.wants.roots.filter((other) => other !== root) }, "a root was removed")
      },
      locations: () => [...this.locations.keys()],
      watched: () => [...new Set([...this.wants.directories(), ...this.units().flatMap((unit) => unit.watched())])],
    }
  }
}

/** Only the last so many are remembered. */
function append<T>(list: T[], entry: T): void {
  list.push(entry)
  if (list.length > BOUNDS.journal) list.shift()
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
    start: () => kernel.start(options.first),
    close: () => kernel.close(),
    child: async (location) => kernel.host(kernel.open(location)),
    ...control,
    use: graft.use, on: graft.on, emit: graft.emit, add: graft.add, all: graft.all,
  }
}
