/** Changing files without losing anybody's work: each change says what it expects to find, and one at a time wins. */
import { createHash, randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { link, open, rename, rm, type FileHandle } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { explain, inDirectory, openReal } from "../lib/confine.ts"
import { versionOf } from "../lib/text.ts"
import type { Files } from "./contract.ts"

export interface Sight { version: string; text?: string }
export interface SightState { seen: Record<string, Sight> }
interface Cell { readonly value: SightState; update(recipe: (draft: SightState) => void): void }

const MAX_SEEN = 500
const MAX_TEXT = 256 * 1024
const MAX_TEXTS = 4 * 1024 * 1024

export type FileErrorCode = "file.changed" | "file.refused"
export class FileError extends Error {
  readonly code: FileErrorCode
  constructor(code: FileErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export function makeFiles(state: Cell): Files {
  const turns = new Map<string, Promise<unknown>>()

  const remember = ({ session, path, version, text }: { session: string; path: string; version: string; text?: string }) => {
    const key = keyOf({ session, path })
    state.update((draft) => {
      delete draft.seen[key]
      draft.seen[key] = text !== undefined && text.length <= MAX_TEXT ? { version, text } : { version }
      forget(draft.seen)
    })
  }

  /** One change at a time a path, whoever asks. */
  const inTurn = <T>(path: string, work: () => Promise<T>): Promise<T> => {
    const turn = (turns.get(path) ?? Promise.resolve()).catch(() => {}).then(work)
    turns.set(path, turn)
    const leave = () => { if (turns.get(path) === turn) turns.delete(path) }
    turn.then(leave, leave)
    return turn
  }

  return {
    async saw(sight) { remember(sight) },
    async lastSeen(session, path) { return state.value.seen[keyOf({ session, path })] },
    replace: (change) => inTurn(change.path, async () => {
      const current = await inspect(change.path)
      if (current?.version !== change.expect) throw new FileError("file.changed", `${change.path} ${current ? (change.expect ? "was changed by somebody else" : "exists already") : "is gone"}`)
      await write(change.path, change.bytes, current)
      const version = versionOf(change.bytes)
      // Who changed a part of a file unseen has not seen the rest.
      if (!current || state.value.seen[keyOf(change)]?.version === current.version) remember({ ...change, version })
      return { version, created: current === undefined }
    }),
  }
}

const keyOf = ({ session, path }: { session: string; path: string }): string => JSON.stringify([session, path])

/** The oldest texts go first, then the oldest versions. */
function forget(seen: Record<string, Sight>): void {
  const keys = Object.keys(seen)
  for (const key of keys.slice(0, Math.max(0, keys.length - MAX_SEEN))) delete seen[key]
  let texts = Object.values(seen).reduce((sum, { text }) => sum + (text?.length ?? 0), 0)
  for (const sight of Object.values(seen)) {
    if (texts <= MAX_TEXTS) return
    texts -= sight.text?.length ?? 0
    delete sight.text
  }
}

interface Present { version: string; mode: number; uid: number; gid: number }

async function inspect(path: string): Promise<Present | undefined> {
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

/** Written beside, synced, put in place: a crash leaves the old file or the new one, never a half. */
async function write(path: string, bytes: Uint8Array, previous: Present | undefined): Promise<void> {
  await inDirectory(dirname(path), async (parent) => {
    const temporary = join(parent, `.graft-${randomBytes(8).toString("hex")}`)
    const target = join(parent, basename(path))
    try {
      await using file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0), previous ? previous.mode & 0o777 : 0o666)
      await file.writeFile(bytes)
      if (previous) await keepNature(file, previous)
      await file.sync()
      await (previous ? rename(temporary, target) : create(temporary, target, path))
    } catch (error) {
      throw error instanceof FileError ? error : explain(error, path)
    } finally {
      await rm(temporary, { force: true })
    }
  }, { create: previous === undefined })
}

/** Only root may give a file away; where the owner is lost, the bits that lend his rights are too. */
async function keepNature(file: FileHandle, { uid, gid, mode }: Present): Promise<void> {
  const kept = await file.chown(uid, gid).then(() => true, () => false)
  await file.chmod(kept ? mode : mode & 0o777)
}

/** A new name, and nobody's work under it: linking fails where renaming would write over what came in between. */
async function create(temporary: string, target: string, path: string): Promise<void> {
  try {
    await link(temporary, target)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "EEXIST") throw new FileError("file.changed", `${path} exists already`)
    // A file system without links.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error
    await rename(temporary, target)
  }
}
