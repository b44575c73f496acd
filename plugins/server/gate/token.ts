/**
 * The token of this home, in a file that only its owner reads: whoever may read it is that owner, so a local client needs
 * nobody to hand it over. Any process may rotate it, and the old one is refused from that moment on: the file is looked
 * at whenever it is asked about.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { paths } from "../../lib/paths.ts"
import { rewrite } from "../../lib/rewrite.ts"

const PRIVATE = 0o600
/** A token of ours; a file that holds anything else counts as none. */
const TOKEN = /^graft_[A-Za-z0-9_-]{43}$/

export const tokenFile = (dataDir?: string): string => join(paths(dataDir).data, "server.token")

export class Token {
  readonly file: string
  #stamp = ""
  #digest: Buffer | undefined

  constructor(file: string) { this.file = file }

  /** What the file holds; made where there is none, or where others could have read it. */
  async value(): Promise<string> {
    const held = read(this.file)
    return held?.safe ? held.token : this.rotate((text) => text === undefined || !read(this.file)?.safe)
  }

  /** Of several that make the first one, all get the same. */
  async rotate(unless: (text: string | undefined) => boolean = () => true): Promise<string> {
    let token = `graft_${randomBytes(32).toString("base64url")}`
    await rewrite(this.file, (text) => {
      if (unless(text)) return `${token}\n`
      token = text!.trim()
      return undefined
    }, { mode: PRIVATE })
    return token
  }

  /** Compared in constant time. Without a readable file nothing is right. */
  accepts(given: string): boolean {
    this.#look()
    return this.#digest !== undefined && timingSafeEqual(this.#digest, digestOf(given))
  }

  #look(): void {
    const status = statSync(this.file, { bigint: true, throwIfNoEntry: false })
    const stamp = status ? `${status.ino}:${status.size}:${status.mtimeNs}:${status.ctimeNs}` : ""
    if (stamp === this.#stamp) return
    const held = stamp === "" ? undefined : read(this.file)
    this.#stamp = stamp
    this.#digest = held?.safe ? digestOf(held.token) : undefined
  }
}

const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest()

/** `safe`: nobody else may read it, where the system has such a notion. A pipe is not waited for. */
function read(file: string): { token: string; safe: boolean } | undefined {
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const { mode, size } = fstatSync(descriptor)
    if (size > 256) return undefined
    const token = readFileSync(descriptor, "utf8").trim()
    return TOKEN.test(token) ? { token, safe: process.platform === "win32" || (mode & 0o077) === 0 } : undefined
  } catch {
    return undefined
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
