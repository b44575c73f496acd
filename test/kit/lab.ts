/**
 * One plugin in a kernel of its own, with no more of the built-ins than it waits for, to be loaded, unloaded, interrupted
 * and given other options. It looks deeper than a plugin may, so that what is found is said with the author's own line.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Definition, Fault, Graft, JournalEntry, PluginView } from "graft"
import { isCrash } from "../../kernel/errors.ts"
import { Kernel } from "../../kernel/kernel.ts"
import { servicesIn } from "../../kernel/loader/compile.ts"
import type { Evaluation } from "../../kernel/loader/evaluation.ts"
import type { Generation } from "../../kernel/loader/generation.ts"
import type { Place } from "../../kernel/loader/modules.ts"
import { paths } from "../../plugins/lib/paths.ts"
import { turns } from "./clock.ts"
import { installedAt, othersIn, pluginAt, troubles } from "./kernel.ts"

/** What a setup meets on its way; `step` counts its uses of the instance from 1, `commit` runs in its commit, and both may throw. */
export interface Obstacle { step?(count: number): void; commit?(): void; failed?(error: unknown): void }

export interface LabOptions { /** Further built-ins that run beside it. */ builtIns?: readonly string[]; options?: unknown; /** Plugins in the place of services it calls. */ with?: Readonly<Record<string, Definition>> }

export class Lab implements AsyncDisposable {
  readonly kernel: Kernel
  readonly id: string
  readonly file: string
  readonly project: Graft & Disposable
  readonly faults: Fault[] = []
  /** Every generation that ever came up, held by nobody here. */
  readonly generations: WeakRef<Generation>[] = []
  obstacle: Obstacle = {}
  readonly #base: string
  /** The latest, whose lines are those of all the others. */
  #evaluation: Evaluation | undefined

  constructor(kernel: Kernel, { id, file }: { id: string; file: string }, base: string, project: Graft & Disposable) {
    this.kernel = kernel
    this.id = id
    this.file = file
    this.project = project
    this.#base = base
  }

  /** Opens it again with whatever it turns out to wait for. */
  static async open(path: string, options: LabOptions = {}): Promise<Lab> {
    const plugin = pluginAt(path)
    const beside = new Set(options.builtIns)
    for (;;) {
      const lab = await Lab.#openWith(plugin, [...beside], options)
      const waits = lab.kernel.units().filter(({ live, id }) => !live && (id === plugin.id || beside.has(id))).flatMap(({ waitsFor }) => waitsFor)
      const more = waits.flatMap((service) => providerOf(service) ?? []).filter((id) => !beside.has(id) && id !== plugin.id)
      if (more.length === 0) return lab
      for (const id of more) beside.add(id)
      await lab[Symbol.asyncDispose]()
    }
  }

  static async #openWith(plugin: { id: string; root: string; file: string }, beside: readonly string[], options: LabOptions): Promise<Lab> {
    const base = realpathSync(mkdtempSync(join(tmpdir(), "graft-laws-")))
    const directory = join(base, "project")
    mkdirSync(join(directory, ".git"), { recursive: true })
    mkdirSync(join(base, "home/config"), { recursive: true })
    writeFileSync(join(base, "home/config/config.jsonc"), JSON.stringify({ catalogue: { refresh: false }, offline: true, plugins: { [plugin.id]: options.options ?? {} } }))
    const builtIn = join(installedAt(), "plugins")
    const roots = [{ dir: builtIn, kind: "built-in" as const }, ...(plugin.root === realpathSync.native(builtIn) ? [] : [{ dir: plugin.root, kind: "user" as const }])]
    const kernel = new Kernel({ roots, dataDir: join(base, "home"), cacheDir: join(paths().cache, "compiled"), skip: othersIn(roots, [...beside, plugin.id]), config: { plugins: { [plugin.id]: options.options ?? {} } } })
    const lab = new Lab(kernel, plugin, base, kernel.host(kernel.open(directory)))
    lab.#watch()
    try {
      for (const [id, definition] of Object.entries(options.with ?? {})) await kernel.control.put(id, definition)
      await kernel.start()
      await kernel.settled()
      return lab
    } catch (error) {
      await lab[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Hears of faults, knows each generation, and stands between a setup and its instance. */
  #watch(): void {
    const { wants } = this.kernel
    this.kernel.host(this.kernel.root).on("kernel.fault", (fault) => { if (fault.plugin === this.id) this.faults.push(fault as Fault) })
    const evaluation = wants.evaluation.bind(wants)
    wants.evaluation = (candidate, admitted) => {
      const made = evaluation(candidate, admitted)
      if (candidate.id !== this.id) return made
      const evaluate = made.evaluate.bind(made)
      let ready: Promise<void> | undefined
      made.evaluate = () => (ready ??= evaluate().then(() => {
        this.#evaluation = made
        const { definition } = made
        const { obstacle } = this
        made.definition = { ...definition, setup: (graft: never) => through(definition.setup as never, graft, obstacle) as never }
      }))
      return made
    }
  }

  get unit() { return this.kernel.units().find(({ id, live, failures }) => id === this.id && (live !== undefined || failures.size > 0)) }
  get live(): Generation | undefined { return this.unit?.live }
  get view(): PluginView | undefined { return this.kernel.control.inspect().realms.flatMap(({ plugins }) => plugins).find(({ id, status }) => id === this.id && status === "live") }
  get trouble(): string | undefined { return troubles(this.kernel.control, [this.id]) }
  get lastFailure(): JournalEntry | undefined { return this.kernel.control.journal(this.id).findLast(({ outcome }) => outcome === "failed") }

  async load(obstacle: Obstacle = {}): Promise<void> {
    this.obstacle = obstacle
    await this.kernel.control.enable(this.id)
    await this.kernel.settled()
    this.obstacle = {}
    if (this.live) this.generations.push(new WeakRef(this.live))
  }

  /** Ends when its generations are closed. */
  async unload(): Promise<void> {
    const units = this.kernel.units().filter(({ id }) => id === this.id)
    await this.kernel.control.disable(this.id, "to see what it leaves behind")
    while (units.some(({ retiring }) => retiring.size > 0)) await turns(1)
    await this.kernel.settled(30_000)
  }

  /** Does not wait: for what is to be interrupted. */
  disable(): void { void this.kernel.control.disable(this.id, "interrupted") }

  async configure(options: unknown, obstacle: Obstacle = {}): Promise<void> {
    this.obstacle = obstacle
    // For every realm: what the plugin config says of one is not what is tried here.
    const { blocks } = this.kernel.wants
    for (const realm of this.kernel.realms()) blocks.set(realm.id, { ...blocks.get(realm.id), [this.id]: options })
    await this.kernel.reconcile([], "other options")
    await this.kernel.settled()
    this.obstacle = {}
  }

  /** What it gives others, in words that can be compared. */
  contributions(): string[] {
    const { view } = this
    if (!view) return []
    return [...view.services.map((service) => `service ${service}`), ...Object.entries(view.slots).flatMap(([slot, keys]) => keys.map((key) => `${slot} ${key}`)), ...view.events.map((event) => `listener of ${event}`)].sort()
  }

  /** Where in the plugin's own source an error was made. */
  locate(error: unknown): Place | undefined { return this.#evaluation?.locate(error) }

  async [Symbol.asyncDispose](): Promise<void> {
    this.project[Symbol.dispose]()
    await this.kernel.close()
    rmSync(this.#base, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }
}

/** Each use of the instance is a step, until setup has ended. */
function through(setup: Definition["setup"], graft: Graft, { step, commit, failed }: Obstacle): ReturnType<Definition["setup"]> {
  if (commit) graft.onCommit(commit)
  let count = 0
  let over = false
  const end = () => { over = true }
  const watched = step ? new Proxy(graft, { get(target, name) {
    if (typeof name === "string" && !over) step(++count)
    return Reflect.get(target, name) as unknown
  } }) : graft
  const fail = (error: unknown): never => {
    end()
    if (isCrash(error)) failed?.(error)
    throw error
  }
  try {
    const result = setup(watched)
    if (result instanceof Promise) return result.then((cleanup) => (end(), cleanup), fail)
    end()
    return result
  } catch (error) {
    return fail(error)
  }
}

let providers: Map<string, string> | undefined

/** Which built-in provides a service. */
function providerOf(service: string): string | undefined {
  if (!providers) {
    const dir = join(installedAt(), "plugins")
    providers = new Map(readdirSync(dir).filter((id) => id !== "lib").flatMap((id) => { try { return servicesIn(readFileSync(join(dir, id, "index.ts"), "utf8")).map((name): [string, string] => [name, id]) } catch { return [] } }))
  }
  return providers.get(service)
}
