/**
 * Confined file access: what was judged is what is opened. A path is located first (its real path, every link
 * resolved, also of what does not exist yet); the real path is judged; then it is opened component by component and
 * no link is followed, so a link planted in between is refused (Linux, through /proc/self/fd). Elsewhere the real
 * path is compared before and after the open.
 */
import { closeSync, constants, existsSync, mkdirSync, openSync } from "node:fs"
import { lstat, mkdir, open, readlink, realpath, type FileHandle } from "node:fs/promises"
import { homedir } from "node:os"
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path"

/** `confine.path`: not a usable path; `confine.missing`: nothing is there; `confine.moved`: a link took the place of what was judged; `confine.loop`: links in a circle; `confine.refused`: the system said no. */
export type ConfineCode = "confine.path" | "confine.missing" | "confine.moved" | "confine.loop" | "confine.refused"

export class ConfineError extends Error {
  readonly code: ConfineCode
  constructor(code: ConfineCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = "ConfineError"
    this.code = code
  }
}

/** `path` is the absolute path as asked for; `real` is where it leads; they differ when a link is on the way. */
export interface Place { path: string; real: string; exists: boolean }

const LINKS = 40
/** Names a directory without opening it for reading, so that search permission suffices (Linux, all architectures Node supports). */
const O_PATH = 0o10000000
const descriptors = process.platform === "linux" && existsSync("/proc/self/fd")

/** Where a path leads, `~/` and links resolved. What does not exist yet gets the real path of its nearest ancestor. */
export async function locate(path: string, directory: string): Promise<Place> {
  if (path.includes("\0")) throw new ConfineError("confine.path", "a path cannot hold a NUL byte")
  const full = path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : resolve(directory, path)
  return { path: full, ...(await follow(full, LINKS)) }
}

async function follow(path: string, links: number): Promise<{ real: string; exists: boolean }> {
  if (links === 0) throw new ConfineError("confine.loop", `${path}: too many links`)
  try {
    return { real: await realpath(path), exists: true }
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw explain(error, path)
  }
  const parent = await follow(dirname(path), links - 1)
  const here = join(parent.real, basename(path))
  const status = parent.exists ? await lstat(here).catch(() => undefined) : undefined
  if (!status?.isSymbolicLink()) return { real: here, exists: false }
  return follow(resolve(parent.real, await readlink(here).catch(() => fail("confine.moved", path))), links - 1)
}

/** Is `path` this directory or below it? Both are real paths. */
export function inside(directory: string, path: string): boolean {
  const way = relative(directory, path)
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}

/** What a person should see beside an ask: both ends of a link. */
export const linkDetail = (place: Place): { detail?: string } => (place.path === place.real ? {} : { detail: `${place.path} leads to ${place.real}` })

/** Opens a real path; never blocks on a pipe or a device, never follows a link. */
export async function openReal(real: string, flags: number = constants.O_RDONLY, mode?: number): Promise<FileHandle> {
  return inDirectory(dirname(real), async (parent) => {
    const child = join(parent, basename(real) || ".")
    try {
      const file = await open(child, flags | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0), mode)
      if (!descriptors && (await realpath(real)) !== real) return await file.close(), fail("confine.moved", real)
      return file
    } catch (error) {
      throw explain(error, real)
    }
  })
}

/** Runs `work` with a name of this directory that no link can redirect; `create` makes missing directories. */
export async function inDirectory<T>(real: string, work: (directory: string) => Promise<T>, options?: { create?: boolean }): Promise<T> {
  if (!descriptors) {
    if (options?.create) await mkdir(real, { recursive: true })
    if ((await realpath(real).catch((error: unknown) => { throw explain(error, real) })) !== real) fail("confine.moved", real)
    return work(real)
  }
  const descriptor = descend(real, options?.create ?? false)
  try {
    return await work(`/proc/self/fd/${descriptor}`)
  } finally {
    closeSync(descriptor)
  }
}

/** One open a component, each below the descriptor of the one before. */
function descend(directory: string, create: boolean): number {
  const flags = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW
  let at = openSync("/", flags)
  for (const name of directory.split(sep).filter(Boolean)) {
    const child = `/proc/self/fd/${at}/${name}`
    try {
      const next = enter(child, flags, create)
      closeSync(at)
      at = next
    } catch (error) {
      closeSync(at)
      throw explain(error, directory)
    }
  }
  return at
}

function enter(child: string, flags: number, create: boolean): number {
  try {
    return openSync(child, flags)
  } catch (error) {
    if (!create || codeOf(error) !== "ENOENT") throw error
    try { mkdirSync(child) } catch (again) { if (codeOf(again) !== "EEXIST") throw again }
    return openSync(child, flags)
  }
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | null)?.code
const fail = (code: ConfineCode, path: string): never => { throw new ConfineError(code, `${path}: a link or another file took its place while it was being opened; try again`) }

/** The system's error in words that name the path as the caller knows it. */
export function explain(error: unknown, path: string): unknown {
  const code = codeOf(error)
  if (error instanceof ConfineError || typeof code !== "string") return error
  if (code === "ENOENT") return new ConfineError("confine.missing", `${path}: no such file or directory`, { cause: error })
  if (code === "ENOTDIR") return new ConfineError("confine.moved", `${path}: a part of this path is a file or a link, not a directory`, { cause: error })
  if (code === "ELOOP") return new ConfineError("confine.loop", `${path}: is a link, or links lead in a circle`, { cause: error })
  if (code === "ENAMETOOLONG") return new ConfineError("confine.path", `${path.slice(0, 200)}…: the name is too long`, { cause: error })
  return new ConfineError("confine.refused", `${path}: the system refuses access (${code})`, { cause: error })
}
