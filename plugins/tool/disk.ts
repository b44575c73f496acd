/**
 * One file on disk, changed so that a crash leaves the old one or the new one, never a half: written beside, synced, put
 * in place. Every name is reached through its directory's descriptor, so that no link can redirect it.
 */
import { createHash } from "node:crypto"
import { constants } from "node:fs"
import { link, open, rename, type FileHandle } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { explain, inDirectory, openReal } from "../lib/confine.ts"

export type FileErrorCode = "file.changed" | "file.refused"
export class FileError extends Error {
  readonly code: FileErrorCode
  constructor(code: FileErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

const NO_FOLLOW = constants.O_NOFOLLOW ?? 0

/** Mode and owner. */
export interface Nature { mode: number; uid: number; gid: number }
export interface Present extends Nature { version: string }

/** What a path holds; undefined where nothing is there. */
export async function inspect(path: string): Promise<Present | undefined> {
  try {
    await using file = await openReal(path)
    const status = await file.stat()
    if (!status.isFile()) throw new FileError("file.refused", `${path} is not a regular file`)
    return { version: await hashOf(file), mode: status.mode & 0o7777, uid: status.uid, gid: status.gid }
  } catch (error) {
    if ((error as { code?: unknown }).code === "confine.missing") return undefined
    throw error
  }
}

/** As `versionOf` its bytes, whatever their number. */
async function hashOf(file: FileHandle): Promise<string> {
  const hash = createHash("sha256")
  const chunk = Buffer.allocUnsafe(256 * 1024)
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) return hash.digest("hex")
    hash.update(chunk.subarray(0, bytesRead))
    at += bytesRead
  }
}

/** Runs `work` with the names of these files' directory; the system's errors name the path as the caller knows it. */
export async function beside<T>(path: string, work: (name: (beside?: string) => string) => Promise<T>, options?: { create?: boolean }): Promise<T> {
  return inDirectory(dirname(path), async (parent) => {
    try {
      return await work((name = basename(path)) => join(parent, name))
    } catch (error) {
      throw error instanceof FileError ? error : explain(error, path)
    }
  }, options)
}

/** A new file with all its bytes, on the disk when this resolves. `mode` is for one that takes after no other. */
export async function stage(name: string, bytes: Uint8Array, nature: Nature | undefined, mode = 0o666): Promise<void> {
  await using file = await open(name, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW, nature ? nature.mode & 0o777 : mode)
  await file.writeFile(bytes)
  if (nature) await keep(file, nature)
  await file.sync()
}

/** Only root may give a file away; where the owner is lost, the bits that lend his rights are too. */
async function keep(file: FileHandle, { uid, gid, mode }: Nature): Promise<void> {
  const kept = await file.chown(uid, gid).then(() => true, () => false)
  await file.chmod(kept ? mode : mode & 0o777)
}

/** A new name, and nobody's work under it: linking fails where renaming would write over what came in between. */
export async function create(staged: string, target: string, path: string): Promise<void> {
  try {
    await link(staged, target)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "EEXIST") throw new FileError("file.changed", `${path} exists already`)
    if (!NO_LINKS.has(code)) throw error
    await rename(staged, target)
  }
}

/** The file itself under a second name, or a copy where there are no links. */
export async function keepOld(target: string, old: string, nature: Nature): Promise<void> {
  try {
    await link(target, old)
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code)) throw error
    await using file = await open(target, constants.O_RDONLY | NO_FOLLOW)
    await stage(old, await file.readFile(), nature)
  }
}

/** What a file system without links says, or one that does not lend them for this file. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set(["EPERM", "ENOTSUP", "ENOSYS", "EOPNOTSUPP", "EMLINK"])

/** What was renamed in this directory is so after a loss of power, too; not every system can be asked for it. */
export async function syncDirectory(real: string): Promise<void> {
  await inDirectory(real, async (directory) => {
    await using opened = await open(join(directory, "."), constants.O_RDONLY | (constants.O_DIRECTORY ?? 0))
    await opened.sync()
  }).catch(() => {})
}
