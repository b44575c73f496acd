/**
 * Every realm that is open, each with the config as it sees it; kept current, and each real change told once. What was
 * told lives in the state, so a reload of this plugin tells nothing.
 */
import { isDeepStrictEqual } from "node:util"
import type { Graft, Remove } from "graft"
import { Boards } from "./boards.ts"
import type { ConfigChange, ConfigWarning, Layer } from "./contract.ts"
import { CONTENT, fromContent, fromEnvironment } from "./environment.ts"
import { Feed, type Roots } from "./feed.ts"
import type { Files } from "./files.ts"
import { isOff, layersOf, type LayerFile } from "./layers.ts"
import { formatPath } from "./path.ts"
import { wholeSchema } from "./schema.ts"
import { SCHEMA, SchemaFile } from "./schema-file.ts"
import { LAYERS, standing, type Standing } from "./scope.ts"
import { sections } from "./sections.ts"
import { changeOf } from "./secret.ts"
import { sheetOf, sheetOfEnvironment, sheetOfFlags, type Sheet } from "./sheet.ts"
import { keyOf, Sources } from "./sources.ts"
import { PROCESS, type ConfigState, type Told } from "./state.ts"
import { difference, fold, frozen, own, plain, valueAt, type Tree } from "../lib/tree.ts"

/** Sections come one by one while plugins come up, and so do hooks; milliseconds that such changes are gathered. */
const GATHER = 30
/** Changes that a fact carries with their values. */
const MOST_CHANGES = 100
const PLUGIN_EVENTS = ["plugin.loaded", "plugin.reloaded", "plugin.reverted", "plugin.removed", "plugin.waiting"] as const

export class Scopes {
  readonly files: Files
  readonly boards: Boards
  readonly schemaFile: SchemaFile
  readonly #graft: Graft<ConfigState>
  readonly #sources: Sources
  readonly #feed: Feed
  readonly #standings = new Map<string, Standing>()
  readonly #timers: { sections?: Remove; hooks?: Remove } = {}
  #watched: { paths: readonly string[]; remove: Remove } = { paths: [], remove() {} }
  #touched = true
  #work: Promise<void> | undefined
  #hooks = ""

  constructor(graft: Graft<ConfigState>, files: Files, roots: Roots) {
    const { state, retiring } = graft
    this.files = files
    this.boards = new Boards(graft, () => this.#soon())
    this.#graft = graft
    this.#feed = new Feed(graft, roots)
    this.schemaFile = new SchemaFile(graft, files.user, () => wholeSchema([...this.boards.sections(undefined).values()].map(({ item }) => item)))
    this.#sources = new Sources((file) => own(state.value.texts, file) as string | undefined, (milliseconds) => { if (!retiring.aborted) graft.timeout(milliseconds, () => this.look()) })
  }

  /** In setup, at the start of the process: which plugins are off is said in the moment in which this one is there, before hooks have their say. */
  async prepare(): Promise<void> {
    if (this.#graft.state.value.told[PROCESS]) return
    const rows = new Map(sections.map((item) => [item.id, { key: item.id, item, owner: this.#graft.id, run: <R>(work: () => R) => work() }]))
    const first = await standing(await this.#sheets(undefined), { sections: rows, plugins: undefined, allowed: async () => false, load: async (tree) => ({ tree, patches: [] }) })
    this.#graft.onCommit(() => this.#feed.blocks(new Map([[PROCESS, first]])))
  }

  /** Hears of whatever can change a value. */
  follow(): void {
    const graft = this.#graft
    this.boards.follow()
    graft.all("configSource").onChange(() => {
      this.#lookAt([...new Set(this.#wanted().map(({ file }) => file))])
      this.#soon()
    })
    graft.on("watch.changed", () => this.look())
    graft.on("trust.granted", () => this.change())
    graft.on("trust.revoked", () => this.change())
    graft.on("location.opened", ({ location }) => this.#attach(location))
    graft.on("location.closed", ({ location }) => this.#detach(location))
    for (const event of PLUGIN_EVENTS) graft.on(event, () => this.#hooksSoon())
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
    const known = this.#standings.get(location ?? PROCESS)
    if (known || location === undefined) return known ?? this.#compute(location)
    const looked = await this.#compute(location)
    if (!this.boards.isOpen(location)) this.#forget()
    return looked
  }

  /** Every file that is or would be read. */
  async list(location?: string): Promise<{ layer: Layer; file: string; from?: string; there: boolean }[]> {
    return Promise.all(this.#layers(location).map(async (at) => ({ layer: at.layer, file: at.file, ...(at.from !== undefined && { from: at.from }), there: (await this.#sources.get(at)).real !== undefined })))
  }

  /** The layers as they are read, the lowest first. */
  async #sheets(location: string | undefined): Promise<Sheet[]> {
    const { kernel, state } = this.#graft
    const read = (await Promise.all(this.#layers(location).map(async (at) => {
      const { document } = await this.#sources.get(at)
      return document ? [sheetOf(at.layer, at.file, document, at.from)] : []
    }))).flat()
    const content = await fromContent(process.env)
    const flags = fold([(plain({ ...kernel.host.config }) ?? {}) as Tree, state.value.flags])
    const own = [...read.filter(({ from }) => from === undefined), ...(content && "tree" in content ? [sheetOf("env", CONTENT, content)] : []), sheetOfEnvironment(fromEnvironment(process.env)), sheetOfFlags(flags)]
    // What turns another program's files off is said by our own; a project speaks of its own project's alone, which no trust is needed for.
    const here = fold(own.map(({ tree }) => tree)).compat
    const everywhere = fold(own.filter(({ layer }) => layer !== "project").map(({ tree }) => tree)).compat
    const foreign = read.filter(({ from, layer }) => from !== undefined && !isOff(from, layer === "project" ? here : everywhere))
    return LAYERS.flatMap((layer) => [...foreign, ...own].filter((sheet) => sheet.layer === layer))
  }

  #layers(location: string | undefined): LayerFile[] {
    return layersOf(this.files, this.#graft.all("configSource").rows(), location)
  }

  async #compute(location: string | undefined): Promise<Standing> {
    const graft = this.#graft
    const there = location === undefined ? graft : this.boards.projects().get(location)
    const held = await standing(await this.#sheets(location), {
      sections: this.boards.sections(location), plugins: this.boards.plugins(location),
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
    const content = await fromContent(process.env)
    const unread = await Promise.all(this.#layers(location).map(async (at) => {
      const { broken, document } = await this.#sources.get(at)
      return broken ? [{ file: at.file, line: broken.line, path: "", message: `${broken.message}; ${document ? "what it said before holds" : "nothing of it holds"}` }] : []
    }))
    return [...unread.flat(), ...(content && "broken" in content ? [{ file: CONTENT, line: content.broken.line, path: "", message: `${content.broken.message}; nothing of it holds` }] : [])]
  }

  // ── what changes ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something is otherwise than before; ends when that is told. */
  change(): Promise<void> {
    this.#touched = true
    return this.fresh()
  }

  /** Reads the files again. */
  async look(): Promise<void> {
    await this.#sources.look()
    await this.change()
  }

  /** Ends when everything that was touched so far is folded and told. A retiring generation folds nothing any more. */
  async fresh(): Promise<void> {
    while ((this.#touched || this.#work) && !this.#graft.retiring.aborted) await (this.#work ??= this.#fold().finally(() => { this.#work = undefined }))
  }

  /** In a while; who asks sooner has it sooner. */
  #soon(): void {
    this.#touched = true
    this.#timers.sections ??= this.#graft.timeout(GATHER, () => {
      this.#timers.sections = undefined
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
    if (await this.boards.attach(location, () => this.change())) await this.change()
  }

  async #detach(location: string): Promise<void> {
    this.boards.detach(location)
    this.#standings.delete(location)
    this.#forget()
    this.#graft.state.update((draft) => { delete draft.told[location] })
    await this.change()
  }

  /** Files that no realm reads any more. */
  #forget(): void {
    this.#sources.retain(new Set(this.#wanted().map(keyOf)))
  }

  // ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #fold(): Promise<void> {
    this.#touched = false
    const projects = this.boards.projects()
    const next = new Map(await Promise.all([undefined, ...projects.keys()].map(async (location) => [location ?? PROCESS, await this.#compute(location)] as const)))
    for (const location of projects.keys()) if (!this.boards.isOpen(location)) next.delete(location)
    if (this.#graft.retiring.aborted) return
    this.#tell(next, projects)
    this.#feed.blocks(next)
    await this.#watch(next)
    await this.#feed.roots(next)
    if (next.get(PROCESS)?.tree.$schema === SCHEMA) this.schemaFile.soon()
  }

  /** One synchronous step: what is told stands already. What the process was told, a project is not told again. */
  #tell(next: ReadonlyMap<string, Standing>, projects: ReadonlyMap<string, Graft>): void {
    const { state } = this.#graft
    const { told, warned } = state.value
    const changes = new Map([...next].map(([scope, now]) => [scope, changed(own(told, scope) as Told | undefined, now)]))
    const warnings = gather(next)
    state.update((draft) => {
      draft.texts = this.#sources.texts()
      for (const [scope, { tree, known }] of next) draft.told[scope] = { tree, known: [...known] }
      draft.warned = [...warnings.keys()]
    })
    for (const [scope, now] of next) this.#standings.set(scope, now)
    const everywhere = new Set(changes.get(PROCESS)?.map(({ path }) => path))
    if (everywhere.size > 0) this.#graft.emit("config.changed", factOf(changes.get(PROCESS)!))
    for (const [location, there] of projects) {
      const own = changes.get(location)?.filter(({ path }) => !everywhere.has(path)) ?? []
      if (own.length > 0) there.emit("config.changed", { ...factOf(own), location })
    }
    const known = new Set(warned)
    for (const [id, { scope, warning }] of warnings) if (!known.has(id)) (projects.get(scope) ?? this.#graft).emit("config.warned", warning)
  }

  /** The files, and what links among them lead to. */
  async #watch(next: ReadonlyMap<string, Standing>): Promise<void> {
    const paths = new Set((await Promise.all(this.#wanted(next.keys()).map(async (at) => [at.file, (await this.#sources.get(at)).real ?? at.file]))).flat())
    if (!this.#graft.retiring.aborted) this.#lookAt([...paths])
  }

  /** The files of these realms, or of all that are open. */
  #wanted(scopes: Iterable<string> = [PROCESS, ...this.boards.projects().keys()]): LayerFile[] {
    return [...scopes].flatMap((scope) => this.#layers(scope === PROCESS ? undefined : scope))
  }

  /** One list, in the order of the layers. */
  #lookAt(paths: readonly string[]): void {
    if (isDeepStrictEqual(paths, this.#watched.paths)) return
    this.#watched.remove()
    this.#watched = { paths, remove: this.#graft.add("watched", paths.map((path) => ({ id: `config ${path}`, path }))) }
  }
}

/** Leaves of what somebody knows, before and now; whoever comes to know a key reads it when it comes. */
function changed(before: Told | undefined, { tree, known }: Standing): ConfigChange[] {
  if (!before) return []
  return known.filter((key) => before.known.includes(key)).flatMap((key) => difference(own(before.tree, key), own(tree, key), [key]))
    .map((keys) => changeOf(formatPath(keys), keys, valueAt(before.tree, keys), valueAt(tree, keys)))
}

const factOf = (changes: readonly ConfigChange[]) => ({ paths: changes.map(({ path }) => path), changes: changes.slice(0, MOST_CHANGES) })

/** By what they say: one that several realms see is the first one's, and the process comes first. */
function gather(next: ReadonlyMap<string, Standing>): Map<string, { scope: string; warning: ConfigWarning }> {
  const warnings = new Map<string, { scope: string; warning: ConfigWarning }>()
  for (const [scope, now] of next) for (const warning of now.warnings) {
    const id = JSON.stringify([warning.file, warning.path, warning.message])
    if (!warnings.has(id)) warnings.set(id, { scope, warning })
  }
  return warnings
}
