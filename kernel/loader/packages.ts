/** Where packages are and what they give: whose file a path is, where one may yet appear, and the parts of Node. */
import { existsSync, readFileSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { hostRequire } from "./compile.ts"

export type Exports = Record<string, unknown>

/** The nearest named package above a file, and its `name@version`. */
export function packageOf(path: string): { dir: string; version: string } | undefined {
  for (let dir = dirname(path); dir !== dirname(dir); dir = dirname(dir)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(dir, "package.json"), "utf8")) as { name?: string; version?: string }
      if (name && version) return { dir, version: `${name}@${version}` }
    } catch { /* the next directory up */ }
    if (basename(dirname(dir)) === "node_modules") return undefined
  }
  return undefined
}

/** The existing directories in which an import may yet appear. */
export function placesOf(specifier: string, importer: string): string[] {
  const existing = (dir: string): string => (existsSync(dir) ? dir : existing(dirname(dir)))
  if (/^[./]/.test(specifier)) return [existing(dirname(resolve(dirname(importer), specifier)))]
  const places: string[] = []
  for (let dir = dirname(importer); ; dir = dirname(dir)) {
    const place = existing(dirname(join(dir, "node_modules", specifier)))
    const last = existsSync(join(dir, "package.json")) || dir === dirname(dir)
    if (place !== dir || dir === dirname(importer) || last) places.push(place)
    if (last) return places
  }
}

/** The directory of the innermost `node_modules` package in which a path lies, if any. */
export const packageAround = (path: string): string | undefined => /^.*[\\/]node_modules[\\/](@[^\\/]+[\\/])?[^\\/]+/.exec(path)?.[0]

export const withDefault = (exports: Exports): Exports => ({ ...exports, default: exports.__esModule ? exports.default : exports })

const parts = new Map<string, Exports>()
/** They take a millisecond or more to start, and few runs need them: they start with the first use. */
const DEAR = /^(node:)?(child_process|inspector|readline|worker_threads)$/

/** As an ES module would see it, without reading what nobody asks for: half of Node is behind getters. */
export function partOfNode(id: string): Exports {
  let part = parts.get(id)
  if (part) return part
  const made = () => {
    const exports = hostRequire(id) as Exports
    return Object.create(exports, { default: { value: exports } }) as Exports
  }
  let late: Exports | undefined
  part = DEAR.test(id) ? (new Proxy({}, { get: (_, name) => Reflect.get((late ??= made()), name) as unknown }) as Exports) : made()
  parts.set(id, part)
  return part
}
