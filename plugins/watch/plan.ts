/**
 * What has to be looked at, so that nothing that matters happens unseen; and for whom it matters when it happens. Made
 * anew whenever the wishes or the directories have changed: it reads the disk, and changes nothing.
 */
import { readdirSync } from "node:fs"
import { basename, dirname, join, relative, sep } from "node:path"
import type { Watched } from "./contract.ts"
import { look, trace, type Trace } from "./trace.ts"

export interface Wishes {
  /** Directories of plugins as they were named: there or not, linked or not. */
  roots: readonly string[]
  /** Real paths that the kernel wants to know about: files, and directories in which something may appear. */
  kernel: readonly string[]
  rows: readonly Watched[]
}

/** What of a directory counts: some names in it, and, with a depth, everything, so many levels deep. */
export interface Sight { inode: number; depth?: number; names: Set<string> }

/** Whom a path concerns: the kernel, rows (spelled as they asked), and, if it is where other paths may turn, the plan itself. */
export interface Concern { kernel: boolean; rows: string[]; hinge: boolean }

/** Where the path of a row leads, and when that was last touched, in milliseconds. */
export interface Lead { to: string; touched: number }
export const leadOf = ({ real, kind, inode, touched }: Trace): Lead => ({ to: `${kind} ${real} ${kind === "directory" ? inode : ""}`, touched })

/** A row, or the kernel. */
type Owner = Watched | undefined
interface Region { real: string; depth: number; owner: Owner }

/** Levels below a root: a plugin's folder, and the folders of its helpers. What lies deeper is seen file by file. */
const ROOT_DEPTH = 4
const IGNORED: ReadonlySet<string> = new Set(["node_modules", ".git"])
/** What editors leave for a moment. */
const TEMPORARY = /^(4913|\.#.*|#.*#|.*~|\..*\.sw[a-z]|.*\.tmp|.*___jb_(tmp|old)___|\.goutputstream-.*)$/

export class Plan {
  readonly sights = new Map<string, Sight>()
  readonly leads = new Map<string, Lead>()
  readonly #regions: Region[] = []
  readonly #files = new Map<string, Set<Owner>>()
  readonly #hinges = new Set<string>()

  constructor({ roots, kernel, rows }: Wishes) {
    for (const root of roots) this.#root(root)
    for (const row of rows) this.#follow(row.path, row.depth ?? Infinity, row)
    // Nearly all files of plugins lie below a root, and are not looked up one by one.
    for (const path of kernel) if (!this.#covers(path)) this.#follow(path, 0, undefined)
    for (const region of this.#regions.toSorted((a, b) => a.real.length - b.real.length)) this.#see(region)
    for (const path of [...this.#files.keys(), ...this.#hinges]) this.#seeName(path)
  }

  about(path: string): Concern {
    const hinge = this.#hinges.has(path)
    const owners = new Map<Owner, string>()
    for (const owner of this.#files.get(path) ?? []) owners.set(owner, owner?.path ?? path)
    for (const { real, depth, owner } of this.#regions) if (reaches(real, depth + 1, path)) owners.set(owner, join(owner?.path ?? real, relative(real, path)))
    return { kernel: hinge || owners.has(undefined), rows: [...new Set([...owners].flatMap(([owner, spelled]) => (owner ? spelled : [])))], hinge }
  }

  /** A directory of plugins may be renamed together with the one it lies in, and may hold links to plugins, or to parts of them, elsewhere. */
  #root(path: string): void {
    const real = this.#follow(path, ROOT_DEPTH, undefined)
    if (real === undefined) return
    this.#hinges.add(dirname(real))
    const { links, directories } = list(real)
    for (const link of [...links, ...directories.flatMap((directory) => list(directory).links)]) this.#follow(link, ROOT_DEPTH - 1, undefined)
  }

  /** Gives where a path leads if that is a directory. */
  #follow(path: string, depth: number, owner: Owner): string | undefined {
    const found = trace(path)
    const { real, kind, hinges } = found
    for (const hinge of hinges) this.#hinges.add(hinge)
    if (owner) this.leads.set(path, leadOf(found))
    if (kind === "file") this.#files.set(real, (this.#files.get(real) ?? new Set()).add(owner))
    if (kind !== "directory") return undefined
    this.#regions.push({ real, depth, owner })
    return real
  }

  /** Does the kernel hear of this path anyway? */
  #covers(path: string): boolean {
    return this.#regions.some(({ real, depth, owner }) => owner === undefined && reaches(real, depth + 1, path))
  }

  #see({ real, depth }: Region): void {
    if (this.#isSeen(real, (seen) => (seen === Infinity ? seen : seen - depth))) return
    this.#sight(real).depth = depth
  }

  #seeName(path: string): void {
    if (!this.#isSeen(path, (seen) => seen + 1)) this.#sight(dirname(path)).names.add(basename(path))
  }

  #sight(directory: string): Sight {
    const sight = this.sights.get(directory) ?? { inode: look(directory)?.inode ?? 0, names: new Set() }
    this.sights.set(directory, sight)
    return sight
  }

  /** Is it seen from a directory above? `reach` gives how far below one of such a depth it may lie. */
  #isSeen(path: string, reach: (depth: number) => number): boolean {
    for (let at = path; ; at = dirname(at)) {
      const depth = this.sights.get(at)?.depth
      if (depth !== undefined && reaches(at, reach(depth), path)) return true
      if (at === dirname(at)) return false
    }
  }
}

/** What is not looked at in a directory that is. */
export function ignores(directory: string, { depth, names }: Pick<Sight, "depth" | "names">, path: string): boolean {
  const way = relative(directory, path).split(sep)
  if (way[0] === "" || way[0] === ".." || (way.length === 1 && names.has(way[0]!))) return false
  return depth === undefined || way.some((name) => IGNORED.has(name)) || TEMPORARY.test(way.at(-1)!)
}

/** Does a path lie in a directory, at most so many levels below it, and not where nobody looks? */
function reaches(directory: string, levels: number, path: string): boolean {
  if (path === directory) return levels >= 0
  const inside = join(directory, sep)
  if (!path.startsWith(inside)) return false
  const names = path.slice(inside.length).split(sep)
  return names.length <= levels && !names.some((name) => IGNORED.has(name))
}

function list(directory: string): { links: string[]; directories: string[] } {
  const [links, directories]: [string[], string[]] = [[], []]
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isSymbolicLink()) links.push(join(directory, entry.name))
      else if (entry.isDirectory() && !IGNORED.has(entry.name)) directories.push(join(directory, entry.name))
    }
  } catch { /* it is just being deleted, or may not be read */ }
  return { links: links, directories: directories }
}
