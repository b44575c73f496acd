/**
 * What a build made ahead of the sources that come with the program: each a function, with its imports of one another
 * resolved. All is found by content, so that nothing can be stale: a plugin runs from here while the disk has exactly the
 * bytes of its whole closure, and one changed byte sends it the ordinary way.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname, sep } from "node:path"
import type { Compiled } from "./compile.ts"
import type { Files, Stamp } from "./files.ts"

/** One source. `links`: where its relative imports lead, lazy ones included, as places in the list of all sources. */
export interface Source { path: string; hash: string; key: string; links: Readonly<Record<string, number>>; provides: readonly string[]; waits: boolean; compiled: Compiled }

/** All that one plugin may ever evaluate, with the paths of this install. */
export interface Closure { entry: number; paths: ReadonlyMap<number, string>; provides: readonly string[] }

/** What loads the built files, and Node's own `import`, which code that was loaded so lacks. */
export interface Loader { load(file: string): unknown; import(specifier: string): Promise<Record<string, unknown>> }

/** `texts` and `stamps` are files: the sources by hash, and what this install's files looked like when they were last read. */
export interface Made extends Loader { sources: readonly Source[]; texts: string; stamps: string }

export class Shipped {
  readonly sources: readonly Source[]
  readonly #made: Made
  readonly #byKey: ReadonlyMap<string, Compiled>
  readonly #byPath: ReadonlyMap<string, number>
  readonly #stamps: Map<string, Stamp>
  /** Of every file that was asked about. */
  readonly #seen = new Map<string, Files>()
  #unread = 0
  #texts: Readonly<Record<string, string>> | undefined

  constructor(made: Made) {
    this.#made = made
    this.sources = made.sources
    this.#byKey = new Map(made.sources.map(({ key, compiled }) => [key, compiled]))
    this.#byPath = new Map(made.sources.map(({ path }, at) => [path, at]))
    this.#stamps = stampsIn(made.stamps)
  }

  /** A bundled package. */
  load(file: string): Record<string, unknown> { return this.#made.load(file) as Record<string, unknown> }
  get import(): Loader["import"] { return this.#made.import }

  find(key: string): Compiled | undefined { return this.#byKey.get(key) }

  /** The closure of a plugin, if it was made, and made from exactly what the disk has now. */
  closure(entry: string, files: Files): Closure | undefined {
    const parts = entry.split(sep)
    const path = [parts.slice(-2).join("/"), parts.at(-1)!].find((name) => this.#byPath.has(name))
    if (path === undefined) return undefined
    const root = entry.slice(0, -path.length)
    const at = this.#byPath.get(path)!
    const paths = new Map([[at, entry]])
    for (const [each] of paths) {
      const { hash, links, waits } = this.sources[each]!
      if (waits || this.#hash(paths.get(each)!, files) !== hash) return undefined
      for (const next of Object.values(links)) if (!paths.has(next)) paths.set(next, root + this.sources[next]!.path.replaceAll("/", sep))
    }
    return { entry: at, paths, provides: [...paths.keys()].flatMap((each) => this.sources[each]!.provides) }
  }

  /** An earlier process is believed once: from then on this one knows better. */
  #hash(path: string, files: Files): string | undefined {
    if (this.#seen.has(path)) return files.hash(path)
    this.#seen.set(path, files)
    const stamp = this.#stamps.get(path)
    const believed = stamp && files.believe(path, stamp)
    if (!believed) this.#unread++
    return believed ?? files.hash(path)
  }

  /** Absent when all was built anew meanwhile, and this is not what was built. */
  text(hash: string): string | undefined {
    try { return (this.#texts ??= JSON.parse(readFileSync(this.#made.texts, "utf8")) as Record<string, string>)[hash] } catch { return undefined }
  }

  /** For the next start, which need not read what has not changed since. */
  keepStamps(): void {
    const { stamps } = this.#made
    if (this.#unread === 0) return
    try {
      for (const [path, files] of this.#seen) {
        const stamp = files.stamp(path)
        if (stamp) this.#stamps.set(path, stamp)
        else this.#stamps.delete(path)
      }
      mkdirSync(dirname(stamps), { recursive: true, mode: 0o700 })
      writeFileSync(`${stamps}.${process.pid}`, JSON.stringify([...this.#stamps]), { mode: 0o600 })
      renameSync(`${stamps}.${process.pid}`, stamps)
    } catch { /* read-only or full: all is read again */ }
  }
}

function stampsIn(file: string): Map<string, Stamp> {
  try { return new Map(JSON.parse(readFileSync(file, "utf8")) as [string, Stamp][]) } catch { return new Map() }
}
