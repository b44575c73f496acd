/** Where a path leads: through which links, to what, and, if it is not there, from where on. */
import { lstatSync, readlinkSync, type Stats } from "node:fs"
import { join, parse, resolve, sep } from "node:path"

export interface Trace {
  /** Without links. Below what is missing, as it would be. */
  real: string
  kind: "file" | "directory" | "missing"
  /** Tells a directory from another one in its place. */
  inode: number
  /** When it was last touched, in milliseconds. */
  touched: number
  /** What makes it lead elsewhere when it changes: each link on the way, and the first thing that is missing. */
  hinges: string[]
}

/** As many as the system itself follows. */
const MOST_LINKS = 40

export function trace(path: string): Trace {
  const hinges: string[] = []
  let [real, rest] = split(resolve(path))
  let found = look(real)
  while (rest.length > 0) {
    const next = join(real, rest[0]!)
    const status = look(next)
    if (status === undefined) return { real: join(real, ...rest), kind: "missing", inode: 0, touched: 0, hinges: [...hinges, next] }
    rest = rest.slice(1)
    if (status.target === undefined) {
      real = next
      found = status
      continue
    }
    hinges.push(next)
    if (hinges.length > MOST_LINKS) return { real: next, kind: "missing", inode: 0, touched: 0, hinges }
    const [root, way] = split(resolve(real, status.target))
    real = root
    rest = [...way, ...rest]
  }
  return { real, kind: found?.directory ? "directory" : "file", inode: found?.inode ?? 0, touched: found?.touched ?? 0, hinges }
}

function split(path: string): [root: string, rest: string[]] {
  const { root } = parse(path)
  return [root, path.slice(root.length).split(sep).filter((name) => name !== "")]
}

export interface Status { directory: boolean; inode: number; /** When its bytes, or what a directory holds, last changed, in milliseconds. */ touched: number; /** Of a link. */ target?: string }

/** What cannot be looked at is not there. */
export function look(path: string): Status | undefined {
  try {
    // A missing path is an ordinary answer here, and no exception is made for each.
    const status = lstatSync(path, { throwIfNoEntry: false })
    return status && { directory: status.isDirectory(), inode: status.ino, touched: touched(status), ...(status.isSymbolicLink() && { target: readlinkSync(path) }) }
  } catch {
    return undefined
  }
}

/** A file that is moved keeps the time of its bytes; a directory that is, or whose mode changes, holds what it held. */
export const touched = (status: Stats): number => (status.isDirectory() ? status.mtimeMs : Math.max(status.mtimeMs, status.ctimeMs))
