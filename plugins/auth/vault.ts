/**
 * The file of credentials: private JSON, one entry a provider. It is read again when it changed, written beside and
 * renamed, one writer at a time across processes. One that cannot be parsed is never written over, and entries of a
 * kind that this version does not know are kept as they are.
 */
import { randomBytes } from "node:crypto"
import { chmod, mkdir, open, readFile, realpath, rename, rm, stat } from "node:fs/promises"
import { dirname } from "node:path"
import { setTimeout as wait } from "node:timers/promises"
import { AuthError } from "./errors.ts"

export type Entries = Readonly<Record<string, unknown>>
export interface KeyEntry { kind: "key"; secret: string }

const PRIVATE = 0o600
/** A writer takes milliseconds; one that holds the file so long is dead. */
const DEAD = 10_000
const PATIENCE = 15_000
const RETRY = 20

export const keyIn = (entries: Entries, provider: string): string | undefined => {
  const entry = Object.hasOwn(entries, provider) ? (entries[provider] as Partial<KeyEntry> | null) : undefined
  return entry?.kind === "key" && typeof entry.secret === "string" && entry.secret !== "" ? entry.secret : undefined
}

export class Vault {
  readonly file: string
  readonly #warn: (message: string) => void
  #known: { stamp: string; entries: Entries } | undefined
  #writing: Promise<unknown> = Promise.resolve()

  constructor(file: string, warn: (message: string) => void) {
    this.file = file
    this.#warn = warn
  }

  async read(): Promise<Entries> {
    const status = await stat(this.file, { bigint: true }).catch(this.#missing)
    const stamp = status ? `${status.ino}:${status.size}:${status.mtimeNs}:${status.ctimeNs}` : ""
    if (this.#known?.stamp === stamp) return this.#known.entries
    if (status && process.platform !== "win32" && (Number(status.mode) & 0o077) !== 0) await this.#repair(Number(status.mode) & 0o777)
    const entries = status ? this.#parse(await readFile(this.file, "utf8").catch(this.#unreadable)) : {}
    this.#known = { stamp, entries }
    return entries
  }

  /** Reads what is there now, edits it, writes it. `edit` gives undefined where nothing is to change. */
  change(edit: (entries: Entries) => Entries | undefined): Promise<void> {
    const work = this.#writing.then(() => this.#alone(async () => {
      this.#known = undefined
      const next = edit(await this.read())
      if (next) await this.#write(`${JSON.stringify(next, null, 2)}\n`)
    }))
    this.#writing = work.catch(() => {})
    return work
  }

  async #write(text: string): Promise<void> {
    // A link to a file elsewhere stays one.
    const target = await realpath(this.file).catch(() => this.file)
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
    const lock = `${this.file}.lock`
    await mkdir(dirname(this.file), { recursive: true, mode: 0o700 }).catch((error: unknown) => { throw this.#unwritable(error) })
    for (const until = Date.now() + PATIENCE; !(await this.#take(lock)); await wait(RETRY)) {
      if (Date.now() > until) throw new AuthError("auth.busy", `another process has been writing ${this.file} for ${PATIENCE / 1_000} s; if there is none, delete ${lock}`)
    }
    try {
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
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw this.#unwritable(error)
      const status = await stat(lock).catch(() => undefined)
      if (status && Date.now() - status.mtimeMs > DEAD) await rm(lock, { force: true })
      return false
    }
  }

  async #repair(mode: number): Promise<void> {
    const before = mode.toString(8).padStart(4, "0")
    const repaired = await chmod(this.file, PRIVATE).then(() => true, () => false)
    this.#warn(`${this.file} could be read by others (mode ${before})${repaired ? "; it is private (0600) now. If others use this machine, replace the keys in it" : ", and its mode could not be changed: run chmod 600 on it"}`)
  }

  #parse(text: string): Entries {
    let entries: unknown
    try {
      entries = JSON.parse(text)
    } catch {
      // The parser's own message quotes the text.
      throw this.#damaged("it is not JSON")
    }
    if (typeof entries !== "object" || entries === null || Array.isArray(entries)) throw this.#damaged("an object keyed by provider is expected")
    return entries as Entries
  }

  #damaged(why: string): AuthError {
    return new AuthError("auth.unreadable", `${this.file} cannot be read: ${why}. Nothing was changed; repair it, or move it away and log in again`)
  }

  readonly #missing = (error: unknown): undefined => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    return this.#unreadable(error)
  }

  readonly #unreadable = (error: unknown): never => {
    throw new AuthError("auth.unreadable", `${this.file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`)
  }

  #unwritable(error: unknown): AuthError {
    return error instanceof AuthError ? error : new AuthError("auth.unwritable", `${this.file} cannot be written (${(error as NodeJS.ErrnoException).code ?? "unknown error"}); nothing was changed. A key in an environment variable needs no file`)
  }
}
