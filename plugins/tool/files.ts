/** Changing files without losing anybody's work: each change says what it expects to find, and one at a time wins. */
import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { open, rename, rm } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { inDirectory, openReal } from "../lib/confine.ts"
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
    return { version: versionOf(await file.readFile()), mode: status.mode & 0o7777, uid: status.uid, gid: status.gid }
  } catch (error) {
    if ((error as { code?: unknown }).code === "confine.missing") return undefined
    throw error
  }
}

/** Written beside, synced, renamed: a crash leaves the old file or the new one, never a half. */
async function write(path: string, bytes: Uint8Array, previous: Present | undefined): Promise<void> {
  await inDirectory(dirname(path), async (parent) => {
    const temporary = join(parent, `.${basename(path).slice(0, 200)}.${randomBytes(6).toString("hex")}`)
    try {
      await using file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0), previous ? previous.mode & 0o777 : 0o666)
      await file.writeFile(bytes)
      if (previous) {
        // Only root may give a file away; a foreign owner is lost then, and the mode is what matters.
        await file.chown(previous.uid, previous.gid).catch(() => {})
        await file.chmod(previous.mode)
      }
      await file.sync()
      await rename(temporary, join(parent, basename(path)))
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }, { create: previous === undefined })
}
