/**
 * A small private file that processes share (0600, its directory 0700): read again only when it changed, written beside,
 * synced and renamed, one writer at a time. The lock of a dead writer is taken over, and what it left beside is removed.
 */
import { randomBytes } from "node:crypto"
import { constants, type BigIntStats } from "node:fs"
import { link, mkdir, open, readdir, realpath, rename, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { setTimeout as wait } from "node:timers/promises"

const PRIVATE = 0o600
const MOST_BYTES = 4 * 1024 * 1024
/** A writer takes milliseconds; one that holds the lock so long is dead. */
const DEAD = 10_000
const PATIENCE = 15_000
const RETRY = 20

export interface Content { readonly text: string; /** Permission bits. */ readonly mode: number }

export class PrivateFileError extends Error {
  readonly code: `privatefile.${"unreadable" | "unwritable" | "busy"}`
  constructor(code: PrivateFileError["code"], message: string) {
    super(message)
    this.code = code
  }
}

export class PrivateFile {
  readonly path: string
  #known: { stamp: string; content: Content } | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(path: string) { this.path = path }

  /** What it holds: the same object as long as it is the same; undefined where it is not there. */
  async read(): Promise<Content | undefined> {
    try {
      const status = await stat(this.path, { bigint: true })
      const stamp = stampOf(status)
      if (this.#known?.stamp !== stamp) this.#known = { stamp, content: await this.#load() }
      return this.#known.content
    } catch (error) {
      this.#known = undefined
      if (codeOf(error) === "ENOENT") return undefined
      throw error instanceof PrivateFileError ? error : new PrivateFileError("privatefile.unreadable", `${this.path} cannot be read (${codeOf(error)})`)
    }
  }

  /** Reads what is there now, edits it, writes it. `edit` gives undefined where nothing is to change. */
  change(edit: (content: Content | undefined) => string | undefined | Promise<string | undefined>): Promise<void> {
    const work = this.#writing.then(() => this.#alone(async () => {
      this.#known = undefined
      const next = await edit(await this.read())
      if (next !== undefined) await this.#write(next)
    }))
    this.#writing = work.catch(() => {})
    return work
  }

  /** Never waits for a pipe, nor reads what cannot be such a file. */
  async #load(): Promise<Content> {
    await using file = await open(this.path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const status = await file.stat()
    if (!status.isFile() || status.size > MOST_BYTES) throw new PrivateFileError("privatefile.unreadable", `${this.path} cannot be read: ${status.isFile() ? `it has ${status.size} bytes` : "it is no regular file"}`)
    return { text: await file.readFile("utf8"), mode: status.mode & 0o777 }
  }

  async #write(text: string): Promise<void> {
    // A link to a file elsewhere stays one.
    const target = await realpath(this.path).catch(() => this.path)
    const temporary = `${target}.${randomBytes(6).toString("hex")}`
    try {
      await using file = await open(temporary, "wx", PRIVATE)
      await file.writeFile(text)
      await file.sync()
      await rename(temporary, target)
    } catch (error) {
      await rm(temporary, { force: true })
      throw this.#unwritable(error)
    }
    this.#known = undefined
  }

  /** One writer at a time across processes: a second one would write over what the first one added. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const lock = `${this.path}.lock`
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 }).catch((error: unknown) => { throw this.#unwritable(error) })
    for (const until = Date.now() + PATIENCE; !(await this.#take(lock)); await wait(RETRY)) {
      if (Date.now() > until) throw new PrivateFileError("privatefile.busy", `another process has been writing ${this.path} for ${PATIENCE / 1_000} s; if there is none, delete ${lock}`)
    }
    try {
      await this.#sweep()
      return await work()
    } finally {
      await rm(lock, { force: true })
    }
  }

  async #take(lock: string): Promise<boolean> {
    try {
      await using file = await open(lock, "wx", PRIVATE)
      await file.writeFile(String(process.pid))
      return true
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw this.#unwritable(error)
      const status = await stat(lock, { bigint: true }).catch(() => undefined)
      if (status && Date.now() - Number(status.mtimeMs) > DEAD) await takeAway(lock, status).catch(() => {})
      return false
    }
  }

  /** What lies beside it while nobody else writes was left by a writer that died. */
  async #sweep(): Promise<void> {
    const [directory, name] = [dirname(this.path), basename(this.path)]
    const left = (await readdir(directory)).filter((other) => other.startsWith(`${name}.`) && /^[0-9a-f]{12}$/.test(other.slice(name.length + 1)))
    for (const other of left) await rm(join(directory, other), { force: true })
  }

  #unwritable(error: unknown): PrivateFileError {
    return error instanceof PrivateFileError ? error : new PrivateFileError("privatefile.unwritable", `${this.path} cannot be written (${codeOf(error)}); nothing was changed`)
  }
}

/** Of several who find a dead lock one gets it; who got a living one by that gives it back. */
async function takeAway(lock: string, dead: BigIntStats): Promise<void> {
  const aside = `${lock}.${randomBytes(6).toString("hex")}`
  await rename(lock, aside)
  const taken = await stat(aside, { bigint: true })
  if (taken.ino !== dead.ino || taken.mtimeNs !== dead.mtimeNs) await link(aside, lock).catch(() => {})
  await rm(aside, { force: true })
}

const stampOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string => `${ino}:${size}:${mtimeNs}:${ctimeNs}`
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | null)?.code ?? "unknown error"
