/** File contents by hash. The hash decides what changed; size, times and inode only spare reading what surely did not. */
import { createHash } from "node:crypto"
import { readFileSync, statSync } from "node:fs"

export const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** File times tick every few milliseconds: two saves within a tick look alike, so a file that was just written gets no stamp. */
const TICK = 100

/** What a file looked like when its bytes had this hash. */
export interface Stamp { stamp: string; hash: string }

export class Files {
  #known = new Map<string, Stamp>()

  /** The hash of a file's bytes; undefined when it is not there or cannot be read. */
  hash(path: string): string | undefined {
    const known = this.#known.get(path)
    return known !== undefined && known.stamp === lookAt(path)?.stamp ? known.hash : this.read(path)?.hash
  }

  read(path: string): { text: string; hash: string } | undefined {
    try {
      // The look comes first: what is written after it has another stamp.
      const look = lookAt(path)
      const bytes = readFileSync(path)
      const hash = sha256(bytes)
      if (this.#known.size > 20_000) this.#known.clear()
      if (look && look.age > TICK) this.#known.set(path, { stamp: look.stamp, hash })
      else this.#known.delete(path)
      return { text: bytes.toString("utf8"), hash }
    } catch {
      return void this.#known.delete(path)
    }
  }

  /** Takes an earlier process's word for a file that nobody has read yet, and that looks as it did then. */
  believe(path: string, known: Stamp): string | undefined {
    if (this.#known.has(path) || known.stamp !== lookAt(path)?.stamp) return undefined
    this.#known.set(path, known)
    return known.hash
  }

  /** Absent for what was just written, or not read at all. */
  stamp(path: string): Stamp | undefined { return this.#known.get(path) }

  /** Somebody saw these change: believe no stamp. */
  distrust(paths: readonly string[]): void {
    for (const path of paths) this.#known.delete(path)
  }
}

/** What changes with every write, and how long ago the last one was, in milliseconds; undefined for what is no file. */
function lookAt(path: string): { stamp: string; age: number } | undefined {
  try {
    const stat = statSync(path, { throwIfNoEntry: false })
    return stat?.isFile() ? { stamp: `${stat.size} ${stat.mtimeMs} ${stat.ctimeMs} ${stat.ino}`, age: Date.now() - stat.mtimeMs } : undefined
  } catch {
    return undefined
  }
}

/** How long ago a file was written, in milliseconds; Infinity for what is no file. */
export const ageOf = (path: string): number => lookAt(path)?.age ?? Infinity
