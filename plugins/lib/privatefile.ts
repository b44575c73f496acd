/** A small private file that processes share (0600, its directory 0700): read again only when it changed, and rewritten as a whole. */
import { constants, type BigIntStats } from "node:fs"
import { open, stat } from "node:fs/promises"
import { RewriteError, rewrite } from "./rewrite.ts"

const PRIVATE = 0o600
const MOST_BYTES = 4 * 1024 * 1024

export interface Content { readonly text: string; /** Permission bits. */ readonly mode: number }

/** Its errors are those of `rewrite`. */
export class PrivateFile {
  readonly path: string
  #known: { stamp: string; content: Content } | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(path: string) { this.path = path }

  /** What it holds: the same object as long as it is the same; undefined where it is not there. */
  async read(): Promise<Content | undefined> {
    try {
      const stamp = stampOf(await stat(this.path, { bigint: true }))
      if (this.#known?.stamp !== stamp) this.#known = { stamp, content: await this.#load() }
      return this.#known.content
    } catch (error) {
      this.#known = undefined
      if (codeOf(error) === "ENOENT") return undefined
      throw error instanceof RewriteError ? error : new RewriteError("rewrite.unreadable", `${this.path} cannot be read (${codeOf(error)})`)
    }
  }

  /** Reads what is there now, edits it, writes it. `edit` gives undefined where nothing is to change. */
  change(edit: (content: Content | undefined) => string | undefined | Promise<string | undefined>): Promise<void> {
    const work = this.#writing.then(() => rewrite(this.path, async () => {
      this.#known = undefined
      return edit(await this.read())
    }, { mode: PRIVATE }))
    this.#writing = work.catch(() => {})
    return work
  }

  /** Never waits for a pipe, nor reads what cannot be such a file. */
  async #load(): Promise<Content> {
    await using file = await open(this.path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const status = await file.stat()
    if (!status.isFile() || status.size > MOST_BYTES) throw new RewriteError("rewrite.unreadable", `${this.path} cannot be read: ${status.isFile() ? `it has ${status.size} bytes` : "it is no regular file"}`)
    return { text: await file.readFile("utf8"), mode: status.mode & 0o777 }
  }
}

const stampOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string => `${ino}:${size}:${mtimeNs}:${ctimeNs}`
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | null)?.code ?? "unknown error"
