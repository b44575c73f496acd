/** Content-addressed files: what is too long for a row. A blob that can be named is whole, and stays what it is. */
import { createHash, randomBytes } from "node:crypto"
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises"
import { join } from "node:path"
import { explain, StoreError } from "./errors.ts"
import { makePrivate } from "./home.ts"

export interface Blobs {
  put(bytes: Uint8Array | string): Promise<{ sha256: string; bytes: number }>
  get(sha256: string): Promise<Uint8Array | undefined>
  list(): AsyncIterable<{ sha256: string; bytes: number; put: number }>
  drop(sha256: string, before: number): Promise<boolean>
}

/** Milliseconds after which what is left of a write that never ended is cleared away. */
const LEFT = 86_400_000

export function makeBlobs(home: string): Blobs {
  const place = (sha256: string) => join(home, "blobs", sha256.slice(0, 2))

  return {
    async put(given) {
      const bytes = typeof given === "string" ? Buffer.from(given) : given
      const sha256 = digest(bytes)
      const directory = place(sha256)
      const path = join(directory, sha256)
      try {
        const known = await stat(path).catch(missing)
        const now = new Date()
        // Put again, it is as new: nobody takes it away for its age.
        if (known?.size === bytes.length) await utimes(path, now, now)
        else await write(directory, path, bytes)
      } catch (error) {
        throw explain(error, path)
      }
      return { sha256, bytes: bytes.length }
    },

    async get(sha256) {
      if (!IS_BLOB.test(sha256)) return undefined
      const path = join(place(sha256), sha256)
      try {
        const bytes = await readFile(path).catch(missing)
        if (bytes && digest(bytes) !== sha256) throw new StoreError("store.corrupt", `${path} is not what its name says: it was changed or damaged. Delete it; what refers to it is lost`)
        return bytes
      } catch (error) {
        throw explain(error, path)
      }
    },

    async *list() {
      const top = join(home, "blobs")
      for (const folder of await entries(top)) {
        for (const name of await entries(join(top, folder))) {
          const path = join(top, folder, name)
          const known = await stat(path).catch(missing)
          if (known && IS_BLOB.test(name)) yield { sha256: name, bytes: known.size, put: known.mtimeMs }
          else if (known && name.startsWith(".") && Date.now() - known.mtimeMs > LEFT) await rm(path, { force: true })
        }
      }
    },

    async drop(sha256, before) {
      if (!IS_BLOB.test(sha256)) return false
      const path = join(place(sha256), sha256)
      try {
        const known = await stat(path).catch(missing)
        if (!known || known.mtimeMs >= before) return false
        await rm(path, { force: true })
        return true
      } catch (error) {
        throw explain(error, path)
      }
    },
  }

  async function entries(directory: string): Promise<string[]> {
    try {
      return (await readdir(directory)).sort()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return []
      throw explain(error, directory)
    }
  }

  /** Under a temporary name until it is on the disk. Its directory is synced too: the name has to last as well. */
  async function write(directory: string, path: string, bytes: Uint8Array): Promise<void> {
    makePrivate(home)
    if (await mkdir(directory, { recursive: true, mode: 0o700 })) await syncDirectory(join(home, "blobs"))
    const temporary = join(directory, `.${randomBytes(8).toString("hex")}`)
    try {
      await using file = await open(temporary, "wx", 0o600)
      await file.writeFile(bytes)
      await file.sync()
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    await syncDirectory(directory)
  }
}

const IS_BLOB = /^[0-9a-f]{64}$/
const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const missing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== "ENOENT") throw error
}

/** Windows opens no directories, and needs no such thing. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return
  await using handle = await open(directory, "r")
  await handle.sync()
}
