/** Where plugins lie: the user's, a project's, those of others, and the install itself. */
import { existsSync, realpathSync } from "node:fs"
import { dirname, isAbsolute, join, parse, resolve } from "node:path"
import type { Graft } from "graft"
import { near } from "../../../lib/near.ts"
import { paths } from "../../../lib/paths.ts"
import { UsageError } from "../../arguments.ts"

/** Where Graft is installed. */
export const homeOf = (graft: Graft): string => dirname(graft.kernel.roots().find(({ kind }) => kind === "built-in")?.dir ?? resolve(import.meta.dirname, "../../.."))

/** The user's directory of plugins, or that of a project. */
export const pluginsFor = (graft: Graft, location?: string): string => (location === undefined ? join(paths(graft.kernel.host.dataDir).config, "plugins") : join(location, ".graft", "plugins"))

/** Directories of plugins besides the built-ins, whose contracts an author may use. */
export const otherRoots = (graft: Graft): string[] => graft.kernel.roots().flatMap(({ dir, kind, location }) => (kind === "built-in" || location !== undefined || !isAbsolute(dir) ? [] : [dir]))

/** Only such a directory is given typings: elsewhere they are its owner's. */
export const isPluginsDirectory = (graft: Graft, directory: string, location: string): boolean => [pluginsFor(graft), pluginsFor(graft, location), ...otherRoots(graft)].some((place) => existsSync(place) && realpathSync(place) === realpathSync(directory))

/** Has somebody agreed to this project's code? Without the plugin that would know, nobody has. */
export const isTrusted = (graft: Graft, location: string): Promise<boolean> => graft.trust.allowed(location).catch(() => false)

/** Where a compiler may be looked for besides the path. */
export const compilersOf = async (graft: Graft, location: string): Promise<string[]> => [pluginsFor(graft), ...((await isTrusted(graft, location)) ? [pluginsFor(graft, location)] : [])]

export interface Found { id: string; /** Its entry. */ file: string; /** The directory of plugins that it lies in. */ directory: string }

/** A plugin by its file, its folder or its name. */
export function findPlugin(graft: Graft, word: string, directory: string, location: string): Found {
  const entries = (path: string) => [path, `${path}.ts`, join(path, "index.ts")].map((each) => resolve(directory, each))
  const places = [pluginsFor(graft, location), pluginsFor(graft)]
  const file = [...entries(word), ...places.flatMap((place) => entries(join(place, word)))].find((path) => existsSync(path) && /\.[cm]?[jt]sx?$/.test(path))
  if (file === undefined) {
    const known = graft.kernel.inspect().realms.flatMap(({ plugins }) => plugins).filter(({ root }) => root !== "built-in").map(({ id }) => id)
    const best = near(word, new Set(known))
    throw new UsageError(`there is no plugin "${word}" in ${places.join(" or ")}${best.length ? `; did you mean ${best.join(", ")}?` : `; graft plugin new ${parse(word).name} makes one`}`)
  }
  const { name, dir } = parse(file)
  return name === "index" ? { id: parse(dir).base, file, directory: dirname(dir) } : { id: name, file, directory: dir }
}
