/**
 * The directory of everything durable, and what of it is open. This is all that outlives a reload of the store: it is
 * dumb on purpose, because it stays while the code that reads and writes changes.
 */
import { chmodSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import type Database from "better-sqlite3"
import type { Migration } from "./contract.ts"
import { StoreError } from "./errors.ts"

export interface Home {
  readonly directory: string
  readonly file: string
  sqlite?: typeof Database
  database?: Database
  opening?: Promise<Database>
  /** Transactions that reached the disk, and the works in them. */
  commits: number
  writes: number
  /** Steps that are applied before the next read or write, by owner. */
  readonly pending: Map<string, readonly Migration[]>
  /** Lock databases of this process, by name. */
  readonly locks: Map<string, Database>
}

export const makeHome = (directory: string): Home => ({ directory, file: join(directory, "graft.db"), commits: 0, writes: 0, pending: new Map(), locks: new Map() })

/** Ends with nothing open, and nobody's name held. */
export async function closeHome(home: Home): Promise<void> {
  await home.opening?.catch(() => {})
  home.database?.close()
  home.database = undefined
  for (const name of home.locks.keys()) release(home, name)
}

/** Lets a name go that this process holds. */
export function release(home: Home, name: string): void {
  const lock = home.locks.get(name)
  home.locks.delete(name)
  if (!lock) return
  lock.close()
  rmSync(lock.name, { force: true })
}

/** Makes a directory that only its owner may enter. */
export function makePrivate(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (process.platform !== "win32" && (statSync(directory).mode & 0o077) !== 0) chmodSync(directory, 0o700)
}

/** WAL needs memory that all processes share, and locks that hold: over a network there is neither. */
export function refuseNetwork(directory: string): void {
  if (process.platform !== "linux") return
  let mounts: string
  try { mounts = readFileSync("/proc/self/mountinfo", "utf8") } catch { return }
  const type = fileSystemOf(mounts, realpathSync(directory))
  if (NETWORKED.has(type)) throw new StoreError("store.unsupported", `${directory} is on a network file system (${type}), where SQLite cannot keep its promises: name a directory on a local disk in GRAFT_HOME`)
}

/** What containers and virtual machines use (overlay, tmpfs, virtiofs, plain fuse) is local as far as anybody can tell. */
const NETWORKED: ReadonlySet<string> = new Set(["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "glusterfs", "davfs", "ncpfs", "coda", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.davfs2", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse"])

/** The type of the innermost mount that holds a path; of two at one place the later covers the earlier. See proc_pid_mountinfo(5). */
export function fileSystemOf(mountinfo: string, path: string): string {
  let found = { point: "", type: "" }
  for (const line of mountinfo.split("\n")) {
    const [left, right] = line.split(" - ")
    const point = left?.split(" ")[4]?.replaceAll(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    const type = right?.split(" ")[0]
    if (point === undefined || type === undefined || point.length < found.point.length) continue
    if (point === "/" || path === point || path.startsWith(`${point}/`)) found = { point, type }
  }
  return found.type
}
