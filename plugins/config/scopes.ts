/**
 * Every realm that is open, each with the config as it sees it; kept current, and each real change told once. What was
 * told lives in the state, so a reload of this plugin tells nothing.
 */
import type { Board, Graft, Remove } from "graft"
import type { ConfigSection, ConfigWarning, Layer } from "./contract.ts"
import { fromEnvironment } from "./environment.ts"
import { Feed, type Roots } from "./feed.ts"
import { projectFile, type Files } from "./files.ts"
import { formatPath } from "./path.ts"
import { standing, type Sections, type Standing } from "./scope.ts"
import { sections } from "./sections.ts"
import { sheetOfEnvironment, sheetOfFile, sheetOfFlags, type Sheet } from "./sheet.ts"
import { Sources } from "./sources.ts"
import { difference, fold, frozen, own, plain, type Tree } from "./tree.ts"

interface Told { readonly tree: Tree; readonly known: readonly string[] }
/** By realm where it says so: a location, or "" for the process. */
export interface ConfigState {
  flags: Tree
  /** Good texts by file. */
  texts: Readonly<Record<string, string>>
  told: Readonly<Record<string, Told>>
  warned: readonly string[]
  /** Locations in which every plugin had come up. */
  complete: readonly string[]
  /** What the kernel was told of plugins. */
  blocks: Readonly<Record<string, Tree>>
}
export const emptyState = (): ConfigState => ({ flags: {}, texts: {}, told: {}, warned: [], complete: [], blocks: {} })

const PROCESS = ""
/** Sections come one by one while plugins come up; milliseconds that such changes are gathered. */
const GATHER = 30
/** Milliseconds after which what has not come up is not waited for. */
const PATIENCE = 60_000

export class Scopes {
  readonly files: Files
  readonly sources: Sources
  readonly #graft: Graft<ConfigState>
  readonly #feed: Feed
  readonly #standings = new Map<string, Standing>()
  readonly #boards = new Map<string, { board: Board<ConfigSection>; stop: Remove }>()
  readonly #watched = new Map<string, Remove>()
  #touched = true
  #work: Promise<void> | undefined
  #timers: Partial<Record<"gather" | "hooks", Remove>> = {}
  #hooks = ""

  constructor(graft: Graft<ConfigState>, files: Files, roots: Roots) {
    this.files = files
    this.#graft = graft
    this.#feed = new Feed(graft, roots)
    const { state, retiring } = graft
    this.sources = new Sources((file) => own(state.value.texts, file) as string | undefined, (milliseconds) => { if (!retiring.aborted) graft.timeout(milliseconds, () => this.look()) })
  }

  /** In setup, at the start of the process: which plugins are off is said in the moment in which this one is there, before hooks have their say. */
  async prepare(): Promise<void> {
    if (this.#graft.state.value.told[PROCESS]) return
    const rows = new Map(sections.map((item) => [item.id, { key: item.id, item, owner: this.#graft.id, run: <R>(work: () => R) => work() }]))
    const first = await standing(await this.sheets(undefined), { sections: rows, plugins: undefined, allowed: async () => false, load: async (tree) => ({ tree, patches: [] }) })
    this.#graft.onCommit(() => this.#feed.blocks(new Map([[PROCESS, first]])))
  }

  /** Hears of whatever can change a value. */
  listen(): void {
    const graft = this.#graft
    graft.all("configSection").onChange(() => this.#soon())
    graft.on("watch.changed", () => this.look())
    graft.on("trust.granted", () => this.change())
    graft.on("trust.revoked", () => this.change())
    graft.on("location.opened", ({ location }) => this.#attach(location))
    graft.on("location.closed", ({ location }) => this.#detach(location))
    for (const event of ["plugin.loaded", "plugin.reloaded", "plugin.reverted", "plugin.removed", "plugin.waiting"] as const) graft.on(event, () => this.#hooksSoon())
    graft.fork(async () => {
      await Promise.all(graft.kernel.locations().map((location) => this.#attach(location)))
      await this.fresh()
    })
  }

  // ── what holds ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A project that is not open is looked at, and forgotten. */
  async of(location?: string): Promise<Standing> {
    if (location !== undefined) await this.#attach(location)
    await this.fresh()
    return this.#standings.get(location ?? PROCESS) ?? (await this.#compute(location))
  }

  sectionsOf(location: string | undefined): Sections {
    const own = this.#graft.all("configSection")
    // A project sees the process's sections among its own; the process knows what any project knows.
    const boards = location === undefined ? [...[...this.#boards.values()].map(({ board }) => board), own] : [this.#boards.get(location)?.board ?? own]
    return new Map(boards.flatMap((board) => board.rows()).map((row) => [row.item.id, row]))
  }

  /** The layers as they are read, the lowest first. */
  async sheets(location: string | undefined): Promise<Sheet[]> {
    const { kernel, state } = this.#graft
    const files: [Layer, string][] = [["default", this.files.default], ["user", this.files.user], ...(location === undefined ? [] : [["project", projectFile(location)] as [Layer, string]])]
    const read = await Promise.all(files.map(async ([layer, file]) => {
      const { document } = await this.sources.get(file)
      return document ? [sheetOfFile(layer, file, document)] : []
    }))
    const said = fold([(plain({ ...kernel.host.config }) ?? {}) as Tree, state.value.flags])
    return [...read.flat(), sheetOfEnvironment(fromEnvironment(process.env)), sheetOfFlags(said)]
  }

  async #compute(location: string | undefined): Promise<Standing> {
    const graft = this.#graft
    const sheets = await this.sheets(location)
    using there = location !== undefined && this.#isOpen(location) ? await graft.at(location) : undefined
    const held = await standing(sheets, {
      sections: this.sectionsOf(location), plugins: this.#pluginsOf(location),
      allowed: async () => location !== undefined && (await graft.trust.allowed(location).catch(() => false)),
      load: async (tree) => {
        const { value, patches } = await (there ?? graft).mutate("config.load", { tree: tree as Record<string, unknown>, ...(location === undefined ? {} : { location }) })
        return { tree: value.tree, patches }
      },
    })
    return { ...held, tree: frozen(held.tree), warnings: [...(await this.#unread(location)), ...held.warnings] }
  }

  /** Files that say something else than what holds. */
  async #unread(location: string | undefined): Promise<ConfigWarning[]> {
    const files = [this.files.default, this.files.user, ...(location === undefined ? [] : [projectFile(location)])]
    return (await Promise.all(files.map(async (file) => {
      const { broken, document } = await this.sources.get(file)
      return broken ? [{ file, line: broken.line, path: "", message: `${broken.message}; ${document ? "what it said before holds" : "nothing of it holds"}` }] : []
    }))).flat()
  }

  /** Undefined while a plugin may still come that knows more. */
  #pluginsOf(location: string | undefined): string[] | undefined {
    const { kernel, state } = this.#graft
    const { complete } = state.value
    if (location === undefined ? complete.length === 0 : !complete.includes(location)) return undefined
    return kernel.inspect().realms.filter((realm) => location === undefined || realm.location === undefined || realm.location === location).flatMap(({ plugins }) => plugins.map(({ id }) => id))
  }

  // ── what changes ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something is otherwise than before; ends when that is told. */
  change(): Promise<void> {
    this.#touched = true
    return this.fresh()
  }

  /** Reads the files again. */
  async look(): Promise<void> {
    await this.sources.look()
    await this.change()
  }

  /** Ends when everything that was touched so far is folded and told. A retiring generation folds nothing any more. */
  async fresh(): Promise<void> {
    while ((this.#touched || this.#work) && !this.#graft.retiring.aborted) await (this.#work ??= this.#fold().finally(() => { this.#work = undefined }))
  }

  /** In a while; who asks sooner has it sooner. */
  #soon(): void {
    this.#touched = true
    this.#timers.gather ??= this.#graft.timeout(GATHER, () => {
      this.#timers.gather = undefined
      return this.fresh()
    })
  }

  /** Whoever listens to `config.load` has a say. */
  #hooksSoon(): void {
    this.#timers.hooks?.()
    this.#timers.hooks = this.#graft.timeout(GATHER, () => {
      const hooks = this.#graft.kernel.inspect().realms.flatMap(({ id, plugins }) => plugins.filter(({ events }) => events.includes("config.load")).map((plugin) => `${id} ${plugin.id}@${plugin.gen}`)).join()
      if (hooks === this.#hooks) return undefined
      this.#hooks = hooks
      return this.change()
    })
  }

  async #attach(location: string): Promise<void> {
    const graft = this.#graft
    if (this.#boards.has(location) || !this.#isOpen(location) || graft.retiring.aborted) return
    using there = await graft.at(location)
    if (this.#boards.has(location)) return
    const board = there.all("configSection")
    this.#boards.set(location, { board, stop: board.onChange(() => this.#soon()) })
    this.#touched = true
    graft.fork((signal) => this.#complete(location, signal))
    await this.fresh()
  }

  async #complete(location: string, signal: AbortSignal): Promise<void> {
    const { kernel, state } = this.#graft
    if (state.value.complete.includes(location)) return
    await Promise.race([kernel.settled(PATIENCE).catch(() => {}), new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }))])
    await this.judge(location)
  }

  /** From now on a key that nobody knows is a mistake, unless a plugin is still on its way. */
  async judge(location: string | undefined): Promise<void> {
    const { kernel, state, retiring } = this.#graft
    const loading = kernel.inspect().realms.some((realm) => (realm.location === undefined || realm.location === location) && realm.plugins.some(({ status }) => status === "loading"))
    if (location === undefined || loading || retiring.aborted || !this.#boards.has(location) || state.value.complete.includes(location)) return
    state.update((draft) => { draft.complete.push(location) })
    await this.change()
  }

  async #detach(location: string): Promise<void> {
    this.#boards.get(location)?.stop()
    this.#boards.delete(location)
    this.#standings.delete(location)
    this.sources.forget(projectFile(location))
    this.#graft.state.update((draft) => {
      delete draft.told[location]
      draft.complete = draft.complete.filter((other) => other !== location)
    })
    await this.change()
  }

  #isOpen(location: string): boolean { return this.#graft.kernel.locations().includes(location) }

  // ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #fold(): Promise<void> {
    this.#touched = false
    const locations = [undefined, ...[...this.#boards.keys()].filter((location) => this.#isOpen(location))]
    const next = new Map(await Promise.all(locations.map(async (location) => [location ?? PROCESS, await this.#compute(location)] as const)))
    const places = new Map(await Promise.all([...next.keys()].filter((scope) => scope !== PROCESS && this.#isOpen(scope)).map(async (scope) => [scope, await this.#graft.at(scope)] as const)))
    try {
      if (this.#graft.retiring.aborted) return
      this.#tell(next, places)
      await this.#watch(next)
      this.#feed.blocks(next)
      await this.#feed.roots(next)
    } finally {
      for (const there of places.values()) there[Symbol.dispose]()
    }
  }

  /** One synchronous step: what is told stands already. */
  #tell(next: ReadonlyMap<string, Standing>, places: ReadonlyMap<string, Graft>): void {
    const { state } = this.#graft
    const { told, warned } = state.value
    const changes = new Map([...next].map(([scope, now]) => [scope, changed(own(told, scope) as Told | undefined, now)]))
    const warnings = new Map<string, { scope: string; warning: ConfigWarning }>()
    for (const [scope, now] of next) for (const warning of now.warnings) {
      const id = JSON.stringify([warning.file, warning.path, warning.message])
      if (!warnings.has(id)) warnings.set(id, { scope, warning })
    }
    state.update((draft) => {
      draft.texts = this.sources.texts()
      for (const [scope, { tree, known }] of next) draft.told[scope] = { tree, known: [...known] }
      draft.warned = [...warnings.keys()]
    })
    for (const [scope, now] of next) this.#standings.set(scope, now)
    const everywhere = new Set(changes.get(PROCESS))
    if (everywhere.size > 0) this.#graft.emit("config.changed", { paths: [...everywhere] })
    for (const [location, there] of places) {
      const paths = changes.get(location)!.filter((path) => !everywhere.has(path))
      if (paths.length > 0) there.emit("config.changed", { paths, location })
    }
    const known = new Set(warned)
    for (const [id, { scope, warning }] of warnings) if (!known.has(id)) (places.get(scope) ?? this.#graft).emit("config.warned", warning)
  }

  /** The files, and what links among them lead to. */
  async #watch(next: ReadonlyMap<string, Standing>): Promise<void> {
    const files = [this.files.default, this.files.user, ...[...next.keys()].filter((scope) => scope !== PROCESS).map(projectFile)]
    const paths = new Set((await Promise.all(files.map(async (file) => [file, (await this.sources.get(file)).real ?? file]))).flat())
    if (this.#graft.retiring.aborted) return
    for (const [path, remove] of this.#watched) if (!paths.has(path)) { remove(); this.#watched.delete(path) }
    for (const path of paths) if (!this.#watched.has(path)) this.#watched.set(path, this.#graft.add("watched", { id: `config ${path}`, path }))
  }
}

/** Leaves of what somebody knows, before and now; whoever comes to know a key reads it when it comes. */
function changed(before: Told | undefined, { tree, known }: Standing): string[] {
  if (!before) return []
  return known.filter((key) => before.known.includes(key)).flatMap((key) => difference(own(before.tree, key), own(tree, key), [key])).map(formatPath)
}
