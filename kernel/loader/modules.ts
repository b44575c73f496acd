/**
 * The module graph of one evaluation: every file that belongs to a plugin is read, hashed, compiled and evaluated by us,
 * so that a new graph is new code whatever the file's kind, the closure is exact, and nothing outlives its generation.
 * jiti resolves; packages below an ancestor `node_modules` load natively, once a process.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs"
import { createRequire, isBuiltin, SourceMap } from "node:module"
import { basename, dirname, extname, join, sep } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import type { Jiti } from "jiti"
import { KernelError, messageOf } from "../errors.ts"
import { frameOf, hostRequire, isSource, PARAMETERS, servicesIn, SourceError, transform, type Compiled, type Compiler } from "./compile.ts"
import { sha256, type Files } from "./files.ts"
import { leg } from "./leg.ts"
import { packageAround, packageOf, partOfNode, placesOf, withDefault, type Exports } from "./packages.ts"
import type { Closure, Shipped } from "./shipped.ts"

/** Where in the author's own source something happened. */
export interface Place { where: string; frame: string }
interface Module { path: string; exports: Exports; compiled?: Compiled; imports: Map<string, Exports>; ready?: Promise<Exports>; done: boolean }
/** May these bytes be compiled? Asked of every file of a guarded plugin. */
export type Admitted = (path: string, hash: string) => boolean
interface Resolved { kind: "own" | "native" | "virtual" | "host" | "bundle"; id: string }

/** What every graph of a kernel shares. */
export interface Workshop {
  compiler: Compiler
  files: Files
  /** Bundled copies of packages for the plugins that came with them: specifier → file. */
  packages: ReadonlyMap<string, string>
  /** Package directory → `name@version` that this process has in memory. */
  held: Map<string, string>
  /** What to wait for before a module is read or run, if anything: a storm of them starves nobody. */
  breathe(): Promise<void> | undefined
}

const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => (...values: unknown[]) => Promise<void>
/** Packages that a plugin may import without having them: the host's copy is the fallback. */
const SHARED = /^(effect|valibot|immer)(\/|$)/
/** `new Function` puts two lines before the body. */
const HEADER_LINES = 2

/** Where a graph comes from, and what it may have. */
export interface Origin {
  entry: string
  workshop: Workshop
  /** Does it come with the program, so that the bundled packages are its own? */
  bundled: boolean
  /** What "graft" exports. */
  face: Exports
  admitted?: Admitted
  /** The sources of an earlier closure, to be evaluated instead of what is on disk now. */
  kept?: ReadonlyMap<string, string>
  /** What another host lends to files that are written for it, by specifier. */
  lent?: Readonly<Record<string, Exports>>
}

export class ModuleGraph {
  /** Path → hash of every file of the plugin that was read. */
  readonly files = new Map<string, string>()
  sources: Map<string, string> = new Map()
  /** Package directory → `name@version`, of what loads natively. */
  readonly packages = new Map<string, string>()
  readonly notes: string[] = []
  /** Was everything made at build time? */
  shipped = true
  /** What could not be resolved: if it can be one day, the plugin is tried again. */
  readonly #unresolved = new Map<string, { specifier: string; importer: string }>()
  readonly #links = new Map<string, string>()
  readonly #from: Origin
  readonly #modules = new Map<string, Module>()
  #jiti: Jiti | undefined
  #provides: readonly string[] | undefined

  constructor(from: Origin) { this.#from = from }

  async evaluate(): Promise<Exports> {
    const { entry, workshop: { compiler: { shipped }, files }, bundled, kept } = this.#from
    const closure = bundled && !kept ? shipped?.closure(entry, files) : undefined
    return closure ? this.#made(shipped!, closure) : this.#import(entry, [])
  }

  /** Services that its sources name. */
  get provides(): readonly string[] {
    return (this.#provides ??= [...this.sources.values()].flatMap(servicesIn))
  }

  /** What was made ahead of exactly these bytes: already linked, and nothing in it waits. */
  #made(shipped: Shipped, { entry, paths, provides }: Closure): Exports {
    this.#provides = provides
    for (const [at, path] of paths) this.files.set(path, shipped.sources[at]!.hash)
    this.sources = new Texts(this.files, shipped)
    const link = (at: number): Exports => {
      const path = paths.get(at)!
      const known = this.#modules.get(path)
      if (known) return known.exports
      const { compiled, links } = shipped.sources[at]!
      const module = newModule(path, compiled)
      this.#modules.set(path, module)
      const get = (specifier: string): Exports => (Object.hasOwn(links, specifier) ? link(links[specifier]!) : this.#native(specifier, path, shipped))
      try {
        for (const specifier of compiled.deps) module.imports.set(specifier, get(specifier))
        void this.#run(module, async (specifier) => get(specifier))
      } catch (error) {
        this.#modules.delete(path)
        throw error
      }
      module.done = true
      return module.exports
    }
    return link(entry)
  }

  /** A package or a part of Node, at once. */
  #native(specifier: string, importer: string, shipped: Shipped): Exports {
    if (specifier === "graft" || specifier.startsWith("graft/")) return this.#virtual(specifier)
    if (isBuiltin(specifier)) return partOfNode(specifier)
    const { kind, id } = this.#target(specifier, importer)
    if (kind === "bundle") return shipped.load(id)
    this.#notePackage(id, true)
    return withDefault(hostRequire(id) as Exports)
  }

  /** A declared file of the plugin that it does not import. */
  asset(relative: string): void {
    const path = join(dirname(this.#from.entry), relative)
    const hash = this.#from.workshop.files.hash(path)
    if (hash) this.files.set(path, hash)
    else this.#miss(`./${relative}`, this.#from.entry)
  }

  /** Could any import that failed be resolved now? */
  reappeared(): boolean {
    return [...this.#unresolved.values()].some(({ specifier, importer }) => {
      try { return this.#resolve(specifier, importer) !== undefined } catch { return false }
    })
  }

  /** Files that were read, manifests of packages, and directories in which what was not found may yet appear. */
  watched(): string[] {
    return [...this.files.keys(), ...[...this.packages.keys()].map((dir) => join(dir, "package.json")), ...[...this.#unresolved.values()].flatMap(({ specifier, importer }) => placesOf(specifier, importer))]
  }

  /** Does any link that an import went through lead elsewhere now? */
  relinked(): boolean {
    return [...this.#links].some(([path, id]) => { try { return realpathSync.native(path) !== id } catch { return true } })
  }

  #miss(specifier: string, importer: string): void { this.#unresolved.set(`${importer} ${specifier}`, { specifier, importer }) }

  async #import(path: string, importers: readonly string[]): Promise<Exports> {
    const known = this.#modules.get(path)
    // A module that is importing us has live bindings to give, if not all of them yet.
    if (known?.done || (known && importers.includes(path))) return known.exports
    if (known) return known.ready!
    const module = newModule(path)
    this.#modules.set(path, module)
    return (module.ready = this.#load(module, importers).then(() => ((module.done = true), module.exports)))
  }

  async #load(module: Module, importers: readonly string[]): Promise<void> {
    const { path } = module
    const { breathe } = this.#from.workshop
    for (let turn = breathe(); turn; turn = breathe()) await turn
    const { text, hash } = this.#read(path)
    if (extname(path) === ".json") return void define(module.exports, "default", parseJson(path, text))
    const compiled = (module.compiled = this.#from.workshop.compiler.compile(path, text, hash, isCommonJs(path, text)))
    if (compiled.format === "cjs") return this.#evaluateCommonJs(module)
    for (const specifier of compiled.deps) module.imports.set(specifier, await this.#importFrom(specifier, path, [...importers, path]))
    for (const specifier of compiled.dynamicDeps) await this.#trace(specifier, path)
    for (let turn = breathe(); turn; turn = breathe()) await turn
    const run = () => this.#run(module, (specifier) => this.#importFrom(specifier, path, []))
    this.shipped &&= compiled.shipped !== undefined
    await (compiled.shipped ? run() : leg(basename(path), run))
  }

  #run({ path, exports, imports, compiled }: Module, later: (specifier: string) => Promise<Exports>): Promise<void> | void {
    const body = compiled!.shipped?.run ?? new AsyncFunction(...PARAMETERS, `"use strict";${compiled!.code}\n//# sourceURL=${path}`)
    return body(
      exports,
      (specifier: string) => imports.get(specifier),
      later,
      (from: Exports) => exportAll(exports, from),
      { get url() { return pathToFileURL(path).href }, filename: path, dirname: dirname(path), resolve: (specifier: string) => this.#target(specifier, path).id },
    )
  }

  async #importFrom(specifier: string, importer: string, importers: readonly string[]): Promise<Exports> {
    const { kind, id } = this.#target(specifier, importer)
    if (kind === "virtual") return this.#virtual(id)
    if (kind === "own") return this.#import(id, importers)
    if (kind === "bundle") return this.#from.workshop.compiler.shipped!.load(id)
    const load = this.#from.workshop.compiler.shipped?.import ?? ((name: string) => import(name) as Promise<Exports>)
    if (kind === "host" || isBuiltin(id)) return load(id)
    const commonjs = extname(id) !== ".mjs" && isCommonJs(id, "")
    this.#notePackage(id, commonjs)
    if (!commonjs) return load(pathToFileURL(id).href)
    return withDefault(hostRequire(id) as Exports)
  }

  /** The kernel's face; what else stands under its name, such as a plugin's contract, is types alone. */
  #virtual(id: string): Exports { return id === "graft" ? this.#from.face : (this.#from.lent?.[id] ?? {}) }

  /** A lazy import belongs to the closure from the start, without being evaluated. */
  async #trace(specifier: string, importer: string, seen = new Set<string>()): Promise<void> {
    const target = this.#resolve(specifier, importer)
    if (target?.kind !== "own" || seen.has(target.id) || this.files.has(target.id)) return
    seen.add(target.id)
    const { text, hash } = this.#read(target.id)
    if (!isSource(target.id)) return
    const compiled = this.#from.workshop.compiler.compile(target.id, text, hash, isCommonJs(target.id, text))
    for (const next of [...compiled.deps, ...compiled.dynamicDeps]) await this.#trace(next, target.id, seen)
  }

  /** What was read once is what it is for this generation. For a kept source, `files` still says what the disk had: whether that changes is the question. */
  #read(path: string): { text: string; hash: string } {
    const kept = this.sources.get(path) ?? this.#from.kept?.get(path)
    const read = kept === undefined ? this.#from.workshop.files.read(path) : { text: kept, hash: sha256(kept) }
    if (!this.sources.has(path)) this.files.set(path, kept === undefined ? (read?.hash ?? "") : (this.#from.workshop.files.hash(path) ?? ""))
    if (!read) throw new KernelError("Invalid", `${path}: cannot be read`)
    if (kept === undefined && this.#from.admitted?.(path, read.hash) === false) throw new KernelError("Refused", `${path} is not among what was trusted: a project's plugin imports from its own folder, and what lies beside it with a name that begins with "_"`)
    if (read.text.length > 5_000_000) throw new KernelError("Invalid", `${path}: ${Math.round(read.text.length / 1e6)} MB is too large for a source file (5 MB); load data at run time instead`)
    this.sources.set(path, read.text)
    return read
  }

  #target(specifier: string, importer: string): Resolved {
    const found = this.#resolve(specifier, importer)
    if (found) return found
    this.#miss(specifier, importer)
    const hint = /^[./]/.test(specifier) ? "is the file there, and its name spelled right?" : `install it beside the plugin (npm install ${specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")})`
    const source = this.sources.get(importer) ?? ""
    const line = source.slice(0, Math.max(0, source.indexOf(`"${specifier}"`), source.indexOf(`'${specifier}'`))).split("\n").length
    throw new SourceError(`cannot find "${specifier}": ${hint}`, `${importer}:${line}`, frameOf(source, line, 1))
  }

  #resolve(specifier: string, importer: string): Resolved | undefined {
    if (specifier === "graft" || specifier.startsWith("graft/") || (this.#from.lent && Object.hasOwn(this.#from.lent, specifier))) return { kind: "virtual", id: specifier }
    if (isBuiltin(specifier)) return { kind: "native", id: specifier }
    const direct = specifier.startsWith("./") || specifier.startsWith("../") ? join(dirname(importer), specifier) : undefined
    if (direct && (this.#from.kept?.has(direct) || (extname(direct) && existsSync(direct)))) return this.#classify(direct)
    const bundled = this.#from.bundled ? this.#bundled(specifier) : undefined
    if (bundled) return bundled
    const url = (this.#jiti ??= (hostRequire("jiti") as typeof import("jiti")).createJiti(this.#from.entry, { fsCache: false, moduleCache: false })).esmResolve(specifier, { parentURL: pathToFileURL(importer).href, try: true } as { parentURL: string; try: true }) as string | undefined
    const path = url?.startsWith("file:") ? fileURLToPath(url) : undefined
    if (path && existsSync(path)) return this.#classify(path)
    return SHARED.test(specifier) ? { kind: "host", id: specifier } : undefined
  }

  /** What comes with the program has its packages, once it is built: bundled, or as Node finds them. */
  #bundled(specifier: string): Resolved | undefined {
    const { packages } = this.#from.workshop
    const bundle = packages.get(specifier)
    if (bundle !== undefined) return { kind: "bundle", id: bundle }
    if (packages.size === 0 || /^[./]/.test(specifier)) return undefined
    try { return { kind: "native", id: hostRequire.resolve(specifier) } } catch { return undefined }
  }

  /** Own is what lies in no package, or in the plugin's own: linked workspace packages included, by their real path. */
  #classify(path: string): Resolved {
    const id = this.#from.kept?.has(path) ? path : realpathSync.native(path)
    if (id !== path) this.#links.set(path, id)
    const own = packageAround(id) === packageAround(this.#from.entry) && (isSource(id) || extname(id) === ".json")
    return { kind: own ? "own" : "native", id }
  }

  /** Another version of a package than the one in memory: CommonJS is loaded anew, an ES module is held by Node until the process ends. */
  #notePackage(path: string, commonjs: boolean): void {
    const found = packageOf(path)
    if (!found) return
    this.packages.set(found.dir, found.version)
    const loaded = this.#from.workshop.held.get(found.dir)
    if (loaded !== undefined && loaded !== found.version) {
      if (commonjs) for (const file of Object.keys(hostRequire.cache)) if (file.startsWith(join(found.dir, sep))) delete hostRequire.cache[file]
      if (!commonjs) return void this.notes.push(`restart needed: ${loaded} is held by Node, ${found.version} is installed`)
    }
    this.#from.workshop.held.set(found.dir, found.version)
  }

  /** Does any package that loads natively have another version now? */
  repackaged(): boolean {
    return [...this.packages].some(([dir, version]) => packageOf(join(dir, "package.json"))?.version !== version)
  }

  #evaluateCommonJs(module: Module): void {
    const { path } = module
    const holder = { exports: {} as Exports }
    const native = createRequire(path)
    const require = (specifier: string): unknown => {
      const { kind, id } = this.#target(specifier, path)
      if (kind === "virtual") return this.#virtual(id)
      if (kind !== "own") return native(id)
      const known = this.#modules.get(id)
      if (known) return extname(id) === ".json" ? known.exports.default : (known.exports["module.exports"] ?? known.exports)
      const source = this.#read(id).text
      if (extname(id) === ".json") return parseJson(id, source)
      if (!isCommonJs(id, source)) throw new KernelError("Invalid", `${path}: require("${specifier}") of an ES module; import it instead`)
      const child: Module = { path: id, exports: Object.create(null) as Exports, compiled: { code: source, format: "cjs", deps: [], dynamicDeps: [], maps: [] }, imports: new Map(), done: true }
      this.#modules.set(id, child)
      this.#evaluateCommonJs(child)
      return child.exports["module.exports"]
    }
    const body = new Function("exports", "require", "module", "__filename", "__dirname", `${module.compiled!.code}\n//# sourceURL=${path}`)
    leg(basename(path), () => body(holder.exports, require, holder, path, dirname(path)) as void)
    define(module.exports, "module.exports", holder.exports)
    if (holder.exports && typeof holder.exports === "object") for (const key of Object.keys(holder.exports)) if (key !== "default") define(module.exports, key, holder.exports[key])
    define(module.exports, "default", (holder.exports as { __esModule?: boolean }).__esModule ? holder.exports.default : holder.exports)
  }

  /** Whose code stands there; what was made at build time stands together in one file. */
  #moduleAt(file: string, row: number): Module | undefined {
    return this.#modules.get(file) ?? [...this.#modules.values()].find(({ compiled }) => compiled?.shipped?.file === file && compiled.shipped.from < row && row <= compiled.shipped.to)
  }

  /** The first place of an error's stack that lies in this plugin, mapped back to what its author wrote. */
  locate(error: unknown): Place | undefined {
    if (error instanceof SourceError) return { where: error.where, frame: error.frame }
    const stack = (error as Error | null)?.stack
    if (typeof stack !== "string") return undefined
    for (const [, file, row, column] of stack.matchAll(/\(?(?:file:\/\/)?((?:\/|[A-Za-z]:\\)[^\s():]+(?: [^\s():]+)*):(\d+):(\d+)\)?/g)) {
      const module = this.#moduleAt(file!, Number(row))
      const path = module?.path ?? file!
      const source = this.sources.get(path)
      if (source === undefined) continue
      const { shipped, maps = [] } = module?.compiled ?? {}
      let place = { line: Number(row) - (shipped?.from ?? HEADER_LINES), column: Number(column) }
      for (const { mappings } of shipped ? transform(path, source, false).maps : maps) {
        const entry = new SourceMap({ version: 3, file: path!, sources: [path!], sourcesContent: [], names: [], mappings, sourceRoot: "" }).findEntry(place.line - 1, place.column - 1)
        if ("originalLine" in entry) place = { line: entry.originalLine + 1, column: entry.originalColumn + 1 }
      }
      return { where: `${path}:${place.line}:${place.column}`, frame: frameOf(source, place.line, place.column) }
    }
    return undefined
  }
}

const newModule = (path: string, compiled?: Compiled): Module => ({ path, ...(compiled && { compiled }), exports: Object.create(null, { [Symbol.toStringTag]: { value: "Module" } }) as Exports, imports: new Map(), done: false })

/** The sources of a closure that was made ahead, read only when somebody asks. */
class Texts extends Map<string, string> {
  readonly #shipped: Shipped
  constructor(hashes: ReadonlyMap<string, string>, shipped: Shipped) {
    super(hashes)
    this.#shipped = shipped
  }

  override get(path: string): string | undefined {
    const hash = super.get(path)
    return hash === undefined ? undefined : this.#shipped.text(hash)
  }
}

function define(exports: Exports, name: string, value: unknown): void {
  Object.defineProperty(exports, name, { enumerable: true, configurable: true, value })
}

function exportAll(into: Exports, from: Exports): void {
  for (const name of Object.keys(from)) if (name !== "default" && !(name in into)) Object.defineProperty(into, name, { enumerable: true, configurable: true, get: () => from[name] })
}

function isCommonJs(path: string, source: string): boolean {
  const extension = extname(path)
  if (extension === ".cjs" || extension === ".cts") return true
  if (extension !== ".js") return false
  if (/^\s*(import\b(?!\s*\()|export\b)|\bimport\.meta\b/m.test(source)) return false
  for (let at = dirname(path); ; at = dirname(at)) {
    try { return (JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as { type?: string }).type !== "module" } catch { /* the next directory up */ }
    if (at === dirname(at)) return /\b(module\.exports|exports\.\w+\s*=|require\()/.test(source)
  }
}

function parseJson(path: string, source: string): unknown {
  try { return JSON.parse(source) as unknown } catch (error) {
    const offset = Number(/position (\d+)/.exec(messageOf(error))?.[1] ?? source.length)
    const line = source.slice(0, offset).split("\n").length
    const column = offset - source.lastIndexOf("\n", offset - 1)
    throw new SourceError(messageOf(error), `${path}:${line}:${column}`, frameOf(source, line, column))
  }
}
