/**
 * A noun that people write in files: read when it is asked for or its directories change, told of by what really changed.
 * What was told survives a reload of the plugin, so that a reload tells nothing.
 */
import { createHash } from "node:crypto"
import { join, sep } from "node:path"
import type { Graft } from "graft"
import { foreignFolders, switchedOff, type Noun } from "./foreign-places.ts"
import { readSheets, type Cache, type Root, type Sheet } from "./sheets.ts"

/** By name: the hash of what was told; and the problems that were said. */
export interface Told { hashes: Record<string, string>; problems: string[] }
export const noneTold = (): Told => ({ hashes: {}, problems: [] })

export interface Shelf<T> {
  /** As the files are now. */
  list(): Promise<readonly T[]>
}
export interface ShelfOf<T extends { name: string }> {
  nouns: Noun
  roots: readonly Root[]
  /** Throws with the reason why a sheet makes no sense; it is said with its file. Undefined: the sheet says that it is not to count. */
  make(sheet: Sheet): T | undefined
  /** What there is besides: adds to and changes what was made of the sheets, by name; what is wrong with it goes to the problems. */
  besides?(made: Map<string, T>, problems: string[]): Promise<void>
  tell(what: "added" | "updated", item: T): void
  gone(name: string): void
  /** After each real change, the first look included. */
  changed?(items: readonly T[]): void
}

export function makeShelf<T extends { name: string }>(graft: Graft<Told>, { nouns, roots, make, besides, tell, gone, changed }: ShelfOf<T>): Shelf<T> {
  const cache: Cache = new Map()
  let items: readonly T[] = []
  let problems: readonly string[] = []
  let shown = "[]"
  let looked = false
  let committed = false
  let looking: Promise<unknown> = Promise.resolve()

  async function look(): Promise<readonly T[]> {
    const isOff = await switchedOff(graft)
    const read = await readSheets(cache, roots.filter(({ from, scope }) => from === undefined || !isOff(from, scope)), graft.location!)
    // Of one name the last, which is the nearest, counts.
    const made = new Map<string, T>()
    for (const sheet of read.sheets) {
      try {
        const item = make(sheet)
        if (item) made.set(item.name, item)
      } catch (error) {
        read.problems.push(`${sheet.file}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    await besides?.(made, read.problems)
    items = [...made.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    problems = read.problems
    const show = JSON.stringify(items)
    if (show !== shown) changed?.(items)
    shown = show
    looked = true
    if (committed) compare()
    return items
  }

  /** What is there with what was told. */
  function compare(): void {
    const before = graft.state.value
    const hashes = Object.fromEntries(items.map((item) => [item.name, createHash("sha256").update(JSON.stringify(item)).digest("hex")]))
    const updated = items.filter(({ name }) => before.hashes[name] !== hashes[name])
    const removed = Object.keys(before.hashes).filter((name) => !Object.hasOwn(hashes, name))
    for (const problem of problems) if (!before.problems.includes(problem)) graft.log.warn(problem)
    if (updated.length + removed.length > 0 || problems.join("\n") !== before.problems.join("\n")) graft.state.update((told) => Object.assign(told, { hashes, problems: [...problems] }))
    for (const item of updated) tell(Object.hasOwn(before.hashes, item.name) ? "updated" : "added", item)
    for (const name of removed) gone(name)
  }

  const list = (): Promise<readonly T[]> => {
    const next = looking.then(look)
    looking = next.catch(() => {})
    return next
  }
  graft.onCommit(() => {
    committed = true
    if (looked) compare()
  })
  graft.add("watched", roots.map(({ directory }) => ({ id: `${nouns} ${directory}`, path: directory, depth: 3 })))
  graft.on("watch.changed", ({ paths }) => (paths.some((path) => roots.some(({ directory }) => path === directory || path.startsWith(directory + sep))) ? void list() : undefined))
  graft.on("config.changed", ({ paths }) => (paths.some((path) => ["compat", nouns].includes(path.split(".")[0]!)) ? void list() : undefined))
  return { list }
}

/** Where people keep them: other agents' places first, then the user's own, and the same in the project, which counts most. */
export function rootsFor(config: string, location: string, noun: Noun, layout: Root["layout"]): Root[] {
  const foreign = (scope: "user" | "project"): Root[] => foreignFolders(noun, scope === "project" ? location : undefined).map(({ from, path }) => ({ directory: path, scope, layout, from }))
  return [...foreign("user"), { directory: join(config, noun), scope: "user", layout }, ...foreign("project"), { directory: join(location, ".graft", noun), scope: "project", layout }]
}
