/** A walk that never follows a link, never enters what .gitignore names, and ends at its bounds. */
import type { Dirent } from "node:fs"
import { constants } from "node:fs"
import { readdir, stat } from "node:fs/promises"
import { join, relative } from "node:path"
import type ignoreFactory from "ignore"
import { inDirectory, inside, openReal } from "../lib/confine.ts"

export interface WalkOptions { /** Real path. */ root: string; /** The project: its .gitignore files count from here down. */ location: string; pattern: string; deadline: number; entries: number; signal: AbortSignal }
export interface Walked { /** Relative to the root. */ paths: string[]; /** Why it ended early. */ partial?: string }

const MAX_IGNORE_FILE = 256 * 1024
type Ignore = ReturnType<typeof ignoreFactory>
interface Rules { directory: string; ignore: Ignore }

export async function walk(options: WalkOptions): Promise<Walked> {
  const [{ glob }, { default: ignore }] = await Promise.all([import("tinyglobby"), import("ignore")])
  const until = performance.now() + options.deadline
  const rules = new Map<string, readonly Rules[]>()
  let entries = 0
  let partial: string | undefined

  /** The rules of the directories above, from the project's top down, and of the directory itself. */
  const rulesOf = async (directory: string, has: boolean): Promise<readonly Rules[]> => {
    const above = directory === options.location || !inside(options.location, directory) ? [] : (rules.get(join(directory, "..")) ?? (await rulesOf(join(directory, ".."), true)))
    const own = has ? await readRules(directory, ignore) : undefined
    const all = own ? [...above, own] : above
    rules.set(directory, all)
    return all
  }

  const list = async (directory: string): Promise<Dirent[]> => {
    if (options.signal.aborted) partial = "interrupted"
    else if (performance.now() > until) partial = `stopped after ${options.deadline / 1000} s`
    else if (entries > options.entries) partial = `stopped after ${options.entries} entries`
    if (partial || !inside(options.root, directory)) return []
    const found = await inDirectory(directory, (at) => readdir(at, { withFileTypes: true }))
    entries += found.length
    const ruling = await rulesOf(directory, found.some(({ name }) => name === ".gitignore"))
    return found.filter((entry) => entry.name !== ".git" && !(entry.isDirectory() && entry.name === "node_modules") && !ignored(ruling, join(directory, entry.name), entry.isDirectory()))
  }

  const paths = await glob(options.pattern, {
    cwd: options.root, dot: true, followSymbolicLinks: false, expandDirectories: false, onlyFiles: true,
    fs: { readdir: ((path: string, _: object, done: (error: Error | null, entries?: Dirent[]) => void) => { list(path.replace(/(.)\/+$/, "$1")).then((found) => done(null, found), (error: Error) => done(error, [])) }) as never },
  })
  return { paths, ...(partial ? { partial } : {}) }
}

async function readRules(directory: string, ignore: () => Ignore): Promise<Rules | undefined> {
  try {
    await using file = await openReal(join(directory, ".gitignore"), constants.O_RDONLY)
    const status = await file.stat()
    if (!status.isFile() || status.size > MAX_IGNORE_FILE) return undefined
    return { directory, ignore: ignore().add(await file.readFile("utf8")) }
  } catch {
    return undefined
  }
}

/** The deepest file with an opinion decides, as in git. */
function ignored(rules: readonly Rules[], path: string, directory: boolean): boolean {
  let verdict = false
  for (const { directory: base, ignore } of rules) {
    const result = ignore.test(`${relative(base, path)}${directory ? "/" : ""}`)
    if (result.ignored) verdict = true
    else if (result.unignored) verdict = false
  }
  return verdict
}

/** Latest change first, which is what a question about files is mostly about. */
export async function byAge(root: string, paths: readonly string[]): Promise<string[]> {
  const times = await Promise.all(paths.map(async (path) => ({ path, time: (await stat(join(root, path)).catch(() => undefined))?.mtimeMs ?? 0 })))
  return times.sort((a, b) => b.time - a.time || (a.path < b.path ? -1 : 1)).map(({ path }) => path)
}
