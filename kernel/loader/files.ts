/** File contents by hash. The hash decides what changed; size, times and inode only spare reading what surely did not. */
import { createHash } from "node:crypto"
import { readFileSync, statSync } from "node:fs"

export const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

export class Files {
  #known = new Map<string, { stamp: string; hash: string }>()

  /** The hash of a file's bytes; undefined when it is not there or cannot be read. */
  hash(path: string): string | undefined {
    const stamp = stampOf(path)
    if (stamp === undefined) return void this.#known.delete(path)
    const known = this.#known.get(path)
    return known?.stamp === stamp ? known.hash : this.read(path)?.hash
  }

  read(path: string): { text: string; hash: string } | undefined {
    try {
      const stamp = settledStampOf(path)
      const bytes = readFileSync(path)
      const hash = sha256(bytes)
      if (this.#known.size > 20_000) this.#known.clear()
      if (stamp !== undefined && stamp === settledStampOf(path)) this.#known.set(path, { stamp, hash })
      return { text: bytes.toString("utf8"), hash }
    } catch {
      return undefined
    }
  }

  /** Somebody saw these change: believe no stamp. */
  distrust(paths: readonly string[]): void {
    for (const path of paths) this.#known.delete(path)
  }
}

function stampOf(path: string): string | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat?.isFile() ? `${stat.size} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.ino}` : undefined
}

/** File times tick every few milliseconds: two saves within a tick look alike, so a file that was just written gets no stamp. */
function settledStampOf(path: string): string | undefined {
  return ageOf(path, Date.now()) > 100 ? stampOf(path) : undefined
}

/** How long ago a file was written, in milliseconds; Infinity for what is no file. */
export function ageOf(path: string, now: number): number {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat?.isFile() ? now - stat.mtimeMs : Infinity
}
