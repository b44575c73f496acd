/** What the roots hold: `<name>.ts` or `<name>/index.ts` directly below one is the plugin `<name>`. */
import { readdirSync, realpathSync, statSync, type Dirent } from "node:fs"
import { dirname, isAbsolute, join, parse } from "node:path"
import type { Root } from "../control.ts"
import { isSource } from "./compile.ts"
import type { Files } from "./files.ts"
import type { Candidate } from "./unit.ts"

export const RANKS = { "built-in": 0, package: 1, user: 2, project: 3, host: 4 } as const

/** By id, the strongest root first. A file that two roots reach is one plugin: identity is the real path. */
export function discover(roots: readonly Root[], locations: readonly string[]): Map<string, Candidate[]> {
  const found = new Map<string, Candidate[]>()
  const seen = new Set<string>()
  for (const root of roots) {
    const places = isAbsolute(root.dir) ? [{ dir: root.dir, location: root.location }] : locations.map((location) => ({ dir: join(location, root.dir), location }))
    const kind = root.kind ?? "user"
    for (const { dir, location } of places) {
      for (const { id, entry } of pluginsIn(dir)) {
        if (seen.has(entry)) continue
        seen.add(entry)
        const list = found.get(id) ?? []
        list.push({ id, entry, kind, rank: RANKS[kind], root: dir, guarded: root.guarded === true, ...(location === undefined ? {} : { location }), ...(root.per && { per: root.per }), ...(root.adapter && { adapter: root.adapter }) })
        found.set(id, list)
      }
    }
  }
  for (const list of found.values()) list.sort((a, b) => b.rank - a.rank)
  return found
}

function pluginsIn(dir: string): { id: string; entry: string }[] {
  try {
    const real = realpathSync.native(dir)
    return entriesOf(real).flatMap((entry) => { try { return pluginIn(real, entry) } catch { return [] } })
  } catch {
    return []
  }
}

const entriesOf = (dir: string): Dirent[] => readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))

/** Throws for a link that loops or leads nowhere, and for what may not be read or is just being deleted. Only of a link has to be asked where it leads. */
function pluginIn(dir: string, entry: Dirent): { id: string; entry: string }[] {
  const { name } = entry
  if (/^[_.]/.test(name) || name === "node_modules" || parse(name).name === "host") return []
  const path = join(dir, name)
  const kind = entry.isSymbolicLink() ? statSync(path) : entry
  if (kind.isFile()) return isSource(name) && !/\.(d|test|spec)\.[mc]?[jt]sx?$/.test(name) ? [{ id: parse(name).name, entry: kind === entry ? path : realpathSync.native(path) }] : []
  if (!kind.isDirectory()) return []
  const index = entriesOf(path).filter((file) => parse(file.name).name === "index" && isSource(file.name)).at(-1)
  if (!index) return []
  const file = join(path, index.name)
  return [{ id: name, entry: kind === entry && index.isFile() ? file : realpathSync.native(file) }]
}

/** Every file of a plugin's folder, or the one file, and what the root shares (`_…`), by hash: no meaning is read into any of them. */
export function contentOf({ entry, root }: Candidate, files: Files): Map<string, string> {
  const own = parse(entry).name === "index" ? tree(dirname(entry), () => true) : [entry]
  return new Map([...own, ...tree(realpathSync.native(root), (name) => name.startsWith("_"))].map((path) => [path, files.hash(path) ?? ""]))
}

function tree(dir: string, wanted: (name: string) => boolean, depth = 10): string[] {
  return readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap((entry) => {
    if (!wanted(entry.name) || entry.name === "node_modules") return []
    return entry.isFile() ? [join(dir, entry.name)] : entry.isDirectory() && depth > 0 ? tree(join(dir, entry.name), () => true, depth - 1) : []
  })
}
