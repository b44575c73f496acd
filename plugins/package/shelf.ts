/**
 * The packages of one home: which are installed, which of their plugins are live, what is told of them. The lock file is
 * the truth for every process; links in one directory, which the kernel takes as a root, are what makes a plugin live.
 */
import { mkdir, readdir, readlink, realpath, rm, stat, symlink } from "node:fs/promises"
import { basename, dirname, extname, join, resolve, sep } from "node:path"
import { locationOf, messageOf, type AdmitAsk, type AdmitVerdict, type Graft } from "graft"
import type { Installed, Package, Unfit } from "./contract.ts"
import { PackageError } from "./errors.ts"
import { digestOf, exists, Lock, packageOf, type Entry } from "./lock.ts"
import { manifestOf } from "./manifest.ts"
import { install } from "./npm.ts"

/** Milliseconds after which a folder that nobody names is nobody's any more. */
const LEFT = 3_600_000
const PATIENCE = 5_000

export class Shelf {
  readonly directory: string
  readonly lock: Lock
  readonly #graft: Graft
  /** What was told, by name. */
  #told = new Map<string, Package>()
  /** Digests by root, as they were when the package was looked at. */
  readonly #seen = new Map<string, Promise<string>>()

  constructor(graft: Graft, data: string) {
    this.#graft = graft
    this.directory = join(data, "packages")
    this.lock = new Lock(join(this.directory, "lock.json"))
  }

  async list(): Promise<Package[]> { return (await this.lock.read()).map(packageOf) }

  /** Installs what a spec names, in the place of what it named before. */
  async put(spec: string, { scripts, replace = false, signal }: { scripts?: boolean; replace?: boolean; signal?: AbortSignal } = {}): Promise<Installed & { before?: string }> {
    // Those who know other shapes may still be coming up.
    await this.#graft.kernel.settled(PATIENCE).catch(() => {})
    const entry = await this.#fetch(spec, { ...(scripts !== undefined && { scripts }), ...(signal && { signal }) })
    try {
      await this.#fits(entry, replace)
    } catch (error) {
      if (entry.digest !== undefined) await rm(entry.folder, { recursive: true, force: true })
      throw error
    }
    let before: Entry | undefined
    await this.lock.change((entries) => {
      before = entries.find(({ name }) => name === entry.name)
      return [...entries.filter(({ name }) => name !== entry.name), entry]
    })
    await this.look()
    return { package: packageOf(entry), ...(before && { from: before.version, before: before.spec }) }
  }

  async remove(named: string): Promise<{ package: Package; spec: string }> {
    const entry = (await this.lock.read()).find(({ name, spec, entries }) => name === named || spec === named || Object.hasOwn(entries, named))
    if (!entry) throw new PackageError("package.unknown", `no package "${named}" is installed: graft plugin list shows what is`)
    await this.lock.change((entries) => entries.filter(({ name }) => name !== entry.name))
    await this.look()
    return { package: packageOf(entry), spec: entry.spec }
  }

  /** Makes live what the lock says, and tells what is different from before. */
  async look(): Promise<void> {
    const entries = await this.lock.read()
    await this.#link(entries)
    await this.#open(entries)
    const now = new Map(entries.map((entry) => [entry.name, packageOf(entry)]))
    const before = this.#told
    this.#told = now
    for (const [name, each] of now) {
      const old = before.get(name)
      if (!old) this.#graft.emit("package.added", { package: each })
      else if (JSON.stringify(old) !== JSON.stringify(each)) this.#graft.emit("package.updated", { package: each, from: old.version })
    }
    for (const [name, old] of before) if (!now.has(name)) this.#graft.emit("package.removed", { package: old })
  }

  /** At the start nothing is told: what was there is no news. Gives what opens it, once this plugin answers for what lies there. */
  async begin(): Promise<() => void> {
    const entries = await this.lock.read()
    this.#told = new Map(entries.map((entry) => [entry.name, packageOf(entry)]))
    if (entries.length === 0) return () => {}
    await this.#link(entries)
    return () => void this.#open(entries).then(() => this.#sweep(entries)).catch((error: unknown) => this.#graft.log.warn(`the packages could not be looked at: ${messageOf(error)}`))
  }

  /** What is named and not installed, and what is installed and not named any more. */
  async follow(specs: readonly string[]): Promise<void> {
    const entries = await this.lock.read()
    const gone = entries.filter(({ spec }) => !specs.includes(spec))
    if (gone.length > 0) await this.lock.change((all) => all.filter(({ spec }) => !gone.some((each) => each.spec === spec)))
    const missing: string[] = []
    for (const spec of specs) {
      const entry = entries.find((each) => each.spec === spec)
      if (!entry || !(await exists(entry.root))) missing.push(spec)
    }
    for (const spec of missing) {
      await this.put(spec).catch((error: unknown) => {
        const { code = "package.install" } = error as { code?: string }
        this.#graft.emit("package.failed", { spec, code, message: messageOf(error) })
        this.#graft.log.warn(`the package ${spec} could not be installed: ${messageOf(error)}`)
      })
    }
    if (gone.length > 0) await this.look()
  }

  /** Only what was installed runs: bytes that somebody put in their place do not. */
  async admit({ plugin, realpath: entry, root }: AdmitAsk): Promise<AdmitVerdict | undefined> {
    if (dirname(root) !== this.directory) return undefined
    const known = (await this.lock.read()).find(({ entries, root }) => Object.hasOwn(entries, plugin) && entry === join(root, entries[plugin]!))
    if (!known) return { admit: false, reason: `the package of "${plugin}" is not in ${this.lock.path}: graft plugin add installs it` }
    if (known.digest === undefined) return { admit: true, below: known.root }
    // It is read anew at each change that the kernel sees, and once at the start.
    this.#seen.set(known.root, digestOf(known.root))
    if ((await this.#seen.get(known.root)) === known.digest) return { admit: true, below: known.root }
    return { admit: false, reason: `the files of ${known.name}@${known.version} are not those that were installed: graft plugin update ${known.name} installs it anew` }
  }

  async unfit(version: string): Promise<Unfit[]> {
    const { satisfies } = (await import("semver")).default
    return (await this.lock.read()).flatMap(({ name, engines }): Unfit[] => (engines !== undefined && !satisfies(version, engines, { includePrerelease: true }) ? [{ name, engines, what: "package" }] : []))
  }

  async #fetch(spec: string, options: { scripts?: boolean; signal?: AbortSignal }): Promise<Entry> {
    const own = folderOf(spec)
    if (own !== undefined) {
      const root = await realpath(own).catch(() => { throw new PackageError("package.spec", `there is no folder ${own}`) })
      const { name, version, engines, entries, shape } = manifestOf(root, this.#shapes())
      return { spec, name, version, folder: root, root, entries, ...(engines !== undefined && { engines }), ...(shape !== undefined && { shape }) }
    }
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
    const { folder, name, scripts } = await install(spec, this.directory, options)
    try {
      const root = await realpath(join(folder, "node_modules", ...name.split("/")))
      const { version, engines, entries, shape } = manifestOf(root, this.#shapes())
      return { spec, name, version, folder, root, entries, digest: await digestOf(root), ...(shape !== undefined && { shape }), ...(engines !== undefined && { engines }), ...(scripts.length > 0 && { scripts }) }
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** For this Graft, and with ids that are free. */
  async #fits({ name, version, engines, entries }: Entry, replace: boolean): Promise<void> {
    const graft = this.#graft.kernel.version
    if (engines !== undefined && !(await import("semver")).default.satisfies(graft, engines, { includePrerelease: true })) throw new PackageError("package.engines", `${name}@${version} was made for Graft ${engines}, and this is ${graft}: ask for another version of it (${name}@<range>)`)
    for (const id of Object.keys(entries)) {
      const other = (await this.lock.read()).find((each) => each.name !== name && Object.hasOwn(each.entries, id))
      if (other) throw new PackageError("package.taken", `${name} has a plugin "${id}", and so has ${other.name}, which is installed: graft plugin remove ${other.name} first`)
      if (!replace && (await this.#isBuiltIn(id))) throw new PackageError("package.taken", `${name} has a plugin "${id}", which is a built-in's name and would take its place: graft plugin add … --replace, if that is meant`)
    }
  }

  async #isBuiltIn(id: string): Promise<boolean> {
    const { dir } = this.#graft.kernel.roots().find(({ kind }) => kind === "built-in") ?? {}
    return dir !== undefined && (await exists(join(dir, id)))
  }

  /** Where the plugins of one shape are linked: each directory is one root of the kernel. */
  #live(shape?: string): string { return join(this.directory, shape === undefined ? "live" : `live-${shape}`) }

  #shapes() { return this.#graft.all("packageShape").rows().map(({ item }) => item) }

  /** One link a plugin, by its id; what leads elsewhere is led anew, what is nobody's goes. */
  async #link(entries: readonly Entry[]): Promise<void> {
    for (const shape of [undefined, ...this.#shapes().map(({ id }) => id)]) {
      const live = this.#live(shape)
      const wanted = new Map(entries.filter((entry) => entry.shape === shape).flatMap((entry) => Object.entries(entry.entries).map(([id, path]) => [`${id}${extname(path)}`, join(entry.root, path)] as const)))
      if (wanted.size === 0 && !(await exists(live))) continue
      await mkdir(live, { recursive: true, mode: 0o700 })
      for (const name of await readdir(live)) {
        const leads = await readlink(join(live, name)).catch(() => undefined)
        if (wanted.get(name) === leads) wanted.delete(name)
        else await rm(join(live, name), { recursive: true, force: true })
      }
      for (const [name, to] of wanted) await symlink(to, join(live, name), "file").catch((error: NodeJS.ErrnoException) => { if (error.code !== "EEXIST") throw error })
    }
  }

  /** The kernel looks there from the first package of a shape on, whichever generation of this plugin there is. */
  async #open(entries: readonly Entry[]): Promise<void> {
    const { kernel } = this.#graft
    const open = (dir: string) => kernel.roots().some((root) => root.dir === dir)
    for (const shape of new Set(entries.map((entry) => entry.shape))) {
      const dir = this.#live(shape)
      const row = this.#shapes().find(({ id }) => id === shape)
      if (open(dir) || (shape !== undefined && !row)) continue
      await kernel.addRoot({ dir, kind: "package", guarded: true, ...(row && { adapter: row.adapter }) })
    }
    await kernel.reconcile([this.directory])
  }

  /** Folders of versions that nobody names: not at once, for others may still run them. */
  async #sweep(entries: readonly Entry[]): Promise<void> {
    const named = new Set([basename(this.lock.path), ...entries.map(({ folder }) => basename(folder))])
    for (const name of await readdir(this.directory).catch(() => [])) {
      const path = join(this.directory, name)
      if (named.has(name) || name.startsWith("live") || name.startsWith(basename(this.lock.path)) || Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs < LEFT) continue
      await rm(path, { recursive: true, force: true })
    }
  }
}

/** A path is a folder that is used where it lies. */
export function folderOf(spec: string): string | undefined {
  const path = /^file:(?!.*\.t(?:ar\.)?gz$)(.+)$/.exec(spec)?.[1] ?? (/^(\.{1,2}([\\/]|$)|[\\/]|~[\\/]|[A-Za-z]:[\\/])/.test(spec) && !/\.t(ar\.)?gz$/.test(spec) ? spec : undefined)
  if (path === undefined) return undefined
  return path.startsWith("~") ? join(process.env.HOME ?? locationOf("."), path.slice(1)) : resolve(path)
}

/** As it is written in the config: from anywhere the same. */
export function specOf(spec: string, directory: string): string {
  const text = spec.trim()
  if (text === "" || /^-/.test(text) || /[\s;|&$`<>]/.test(text)) throw new PackageError("package.spec", `"${spec}" names no package: name, name@range, a folder, a tarball or a git URL`)
  if (/^\.{1,2}([\\/]|$)/.test(text)) return resolve(directory, text).split(sep).join("/")
  return text
}
