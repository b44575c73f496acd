/**
 * The laboratory of the laws: a kernel over a temporary directory, a clock that moves only when told, and notes that
 * plugins leave behind. Listeners of a law write down and never assert, because isolation would swallow what they throw.
 */
import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createKernel, systemClock } from "graft"
import type { Board, Cleanup, Clock, Contribution, Control, Definition, EmbeddedKernel, EventPolicy, JournalEntry, KernelOptions, KernelView, ListenOptions, Meta, PluginView, RealmView, Remove, Schema, SlotPolicy, StateDefinition, Words } from "graft"

/** The instance with untyped names: a law invents its own events, slots and services. */
export interface Instance extends Pick<Words<any, any>, "id" | "gen" | "location" | "log" | "signal" | "retiring" | "state" | "options" | "keep" | "onOptions" | "onCommit" | "defer" | "fork" | "every" | "timeout"> {
  readonly kernel: Control
  on(event: string, handler: (payload: any, meta: Meta) => unknown, options?: ListenOptions): Remove
  emit(event: string, payload?: unknown): void
  mutate(event: string, value: unknown): Promise<{ value: any; patches: Contribution[] }>
  decide(event: string, ask: unknown): Promise<any>
  provide(service: string, implementation: object): void
  use(service: string): any
  add(slot: string, items: unknown, options?: { key?: string; order?: number }): Remove
  all(slot: string): Board<any>
  at(location: string): Promise<Instance & Disposable>
}

/** A definition made in the test itself, for `put`. */
export interface Plugin {
  engines?: string
  needs?: readonly string[]
  options?: Schema
  events?: Record<string, EventPolicy>
  slots?: Record<string, SlotPolicy>
  state?: StateDefinition<any>
  setup(graft: Instance): void | Cleanup | Promise<void | Cleanup>
}

interface Timer { at: number; serial: number; work(): void }

/** Time stands still until `advance`; what falls due runs in order, and what it causes runs before the next. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000
  #serial = 0
  #timers = new Set<Timer>()

  now(): number { return this.#now }

  after(milliseconds: number, work: () => void): () => void {
    const timer = { at: this.#now + milliseconds, serial: ++this.#serial, work }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  get pending(): number { return this.#timers.size }

  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds
    await turns()
    for (;;) {
      const [next] = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at || a.serial - b.serial)
      if (!next) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.work()
      await turns()
    }
    this.#now = end
    await turns()
  }
}

/** Lets everything that is ready run. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** A wait of a test has a deadline of real time, and says what it waited for. */
export function soon<T>(what: string, work: Promise<T>, milliseconds = 8_000): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const timer = setTimeout(() => reject(new Error(`${what}: not within ${milliseconds} ms`)), milliseconds)
  work.then(resolve, reject).finally(() => clearTimeout(timer))
  return promise
}

/** Looks again each turn, for what is true soon but nobody tells. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  let over = false
  const look = (async () => { while (!holds() && !over) await turns(1) })()
  await soon(what, look).finally(() => { over = true })
}

/** How a promise ended, as data. */
export const outcome = (work: Promise<unknown>): Promise<{ value?: unknown; code?: string; message?: string }> =>
  work.then((value) => ({ value }), (error: Error & { code?: string }) => ({ code: error.code ?? "none", message: error.message }))

export interface LabOptions extends KernelOptions { realTime?: boolean }

export class Lab implements AsyncDisposable {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), "graft-law-")))
  readonly plugins = join(this.dir, "plugins")
  readonly clock = new FakeClock()
  readonly kernel: EmbeddedKernel
  readonly graft: Instance
  /** What plugins wrote down; a file reaches it as `graft.kernel.host.config.lab`. */
  readonly notes: string[] = []
  /** Everything that was told, in the order in which the host heard it. */
  readonly told: { event: string; payload: any; meta: Meta }[] = []
  /** What plugins wait for, opened by the test. */
  readonly gates = new Map<string, PromiseWithResolvers<void>>()
  #aged = Math.floor(Date.now() / 1000) - 100_000

  constructor({ realTime, ...options }: LabOptions = {}) {
    mkdirSync(this.plugins)
    this.kernel = createKernel({ roots: [{ dir: this.plugins, per: "process" }], clock: realTime ? systemClock : this.clock, dataDir: join(this.dir, "data"), ...options, config: { lab: this, ...options.config } })
    this.graft = this.kernel.graft as unknown as Instance
    this.graft.on("*", (payload, meta) => void this.told.push({ event: meta.event, payload, meta }))
  }

  note(text: string): void { this.notes.push(text) }
  gate(name: string): Promise<void> { return this.#gate(name).promise }
  open(name: string): void { this.#gate(name).resolve() }
  #gate(name: string): PromiseWithResolvers<void> {
    let gate = this.gates.get(name)
    if (!gate) this.gates.set(name, (gate = Promise.withResolvers<void>()))
    return gate
  }

  path(name: string): string { return name.startsWith("/") ? name : join(this.plugins, name) }

  /** Writes a file that looks long finished, so that a broken one is believed at once; `young` leaves it just written. */
  write(name: string, source: string | Uint8Array, { young = false } = {}): string {
    const path = this.path(name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, source)
    if (!young) this.touch(name)
    return path
  }

  touch(name: string): void { utimesSync(this.path(name), ++this.#aged, this.#aged) }
  remove(name: string): void { rmSync(this.path(name), { recursive: true }) }
  rename(from: string, to: string): void { renameSync(this.path(from), this.path(to)) }

  /** What disk and config want now is live, and everybody has heard of it. */
  async settle(hints: readonly string[] = []): Promise<void> {
    await soon("the pass", this.kernel.reconcile(hints))
    await soon("being settled", this.kernel.settled())
  }

  async put(id: string, plugin: Plugin | Plugin["setup"], location?: string): Promise<void> {
    const definition = typeof plugin === "function" ? { setup: plugin } : plugin
    await this.kernel.put(id, definition as unknown as Definition, location)
  }

  get root(): RealmView { return this.kernel.inspect().realms[0]! }
  view(id: string): PluginView | undefined { return this.root.plugins.find((plugin) => plugin.id === id) }
  gen(id: string): number { return this.view(id)?.gen ?? 0 }
  last(id: string): JournalEntry | undefined { return this.kernel.journal(id).at(-1) }
  heard(event: string): any[] { return this.told.filter((each) => each.event === event).map(({ payload }) => payload) }
  faults(): { plugin: string; gen: number; kind: string; during: string; message: string; where?: string }[] { return this.heard("kernel.fault") }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const gate of this.gates.values()) gate.resolve()
    const closing = this.kernel.close()
    await this.clock.advance(60_000)
    await soon("closing", closing)
    rmSync(this.dir, { recursive: true, force: true })
  }
}

/** The source of a plugin file whose setup has `graft` and `lab`. */
export const plugin = (body: string, { head = "", fields = "" } = {}): string =>
  `import { definePlugin } from "graft"\n${head}\nexport default definePlugin({ ${fields}\n  async setup(graft) {\n    const { lab } = graft.kernel.host.config\n${body}\n  },\n})\n`

/** A file that serves under its own id: `version()`, a call and a stream that wait for a gate, one row of slot "thing", and a listener of "law.told". */
export const serving = (version: number | string, { head = "", fields = "", body = "" } = {}): string => plugin(`    const version = ${JSON.stringify(version)}
    graft.provide(graft.id, { version: async () => version, slow: async (gate) => (await lab.gate(gate), version), async *stream(gate) { yield version; await lab.gate(gate); yield version } })
    graft.add("thing", { name: graft.id, version })
    graft.on("law.told", ({ n }) => lab.note(graft.id + "@" + graft.gen + " " + n))
    graft.defer(() => lab.note("closed " + graft.id + "@" + graft.gen))
    ${body}`, { head, fields })

/** What two kernels must agree on when they look at the same disk: everything but numbers, times and counters. */
export function shape(view: KernelView): unknown {
  const ungen = (text: string) => text.replace(/@\d+/g, "")
  return view.realms.map((realm) => ({
    id: realm.id,
    services: Object.fromEntries(Object.entries(realm.services).map(([service, by]) => [service, ungen(by)]).sort()),
    slots: realm.slots,
    plugins: realm.plugins.map(({ id, status, reason, file, hash, files, services, slots, events, needs }) => ({ id, status, reason: ungen(reason), file, hash, files: [...files].sort(), services, slots, events, needs: [...needs].sort() })),
  }))
}

/** Everything that a stream gives. */
export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const given: T[] = []
  for await (const value of stream) given.push(value)
  return given
}
