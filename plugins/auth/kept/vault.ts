/**
 * Where credentials are kept: a private JSON file, one entry an account, whose secrets may lie in a keychain. The file is
 * what counts: a secret goes into the keychain under a new name before the file names it, and the old one out after. A file
 * that cannot be parsed is never written over.
 */
import { randomBytes } from "node:crypto"
import { chmod } from "node:fs/promises"
import { messageOf } from "graft"
import { PrivateFile, type Content } from "../../lib/privatefile.ts"
import { RewriteError } from "../../lib/rewrite.ts"
import type { Keychain } from "../contract.ts"
import { entryIn, idsOf, secretsOf, withoutSecrets, withSecrets, type Entries, type Entry, type Secrets } from "./entries.ts"
import { AuthError } from "../errors.ts"

/** `wanted`: where a secret goes that is written now, undefined for the file; with `strictly`, or not at all. `holding`: where an earlier one may lie. */
export interface Keychains { wanted(): Promise<{ keychain: Keychain; strictly: boolean } | undefined>; holding(): Promise<Keychain> }
export const NO_KEYCHAIN: Keychains = { wanted: async () => undefined, holding: () => Promise.reject(new Error("there is none")) }

const MOST_READ = 256

export class Vault {
  readonly file: string
  readonly #private: PrivateFile
  readonly #warn: (message: string) => void
  readonly #keychains: Keychains
  #parsed: { content: Content; entries: Entries } | undefined
  /** What was read out of a keychain, by item: each is written once. A keychain may ask a person each time. */
  readonly #read = new Map<string, Secrets>()

  constructor(file: string, warn: (message: string) => void, keychains: Keychains = NO_KEYCHAIN) {
    this.file = file
    this.#private = new PrivateFile(file)
    this.#warn = warn
    this.#keychains = keychains
  }

  /** As the file has it. */
  async read(): Promise<Entries> {
    return this.#entriesOf(await this.#private.read().catch(explain))
  }

  /** Permission bits of the file; undefined where there is none. */
  async mode(): Promise<number | undefined> {
    return (await this.#private.read().catch(explain))?.mode
  }

  /** One entry with its secrets. */
  async whole(id: string): Promise<Entry | undefined> {
    const entry = entryIn(await this.read(), id)
    return entry?.keychain === undefined ? entry : withSecrets(entry, await this.#fetch(id, entry.keychain))
  }

  /**
   * Puts an entry in the place of the one that is there. `edit` gets what the file has, and what is to be written; it gives
   * the new whole, or undefined where nothing is to change any more. False in that case.
   */
  async put(id: string, entry: Entry, edit: (entries: Entries, kept: Entry) => Entries | undefined = (entries, kept) => ({ ...entries, [id]: kept })): Promise<boolean> {
    const kept = await this.#lay(id, entry)
    let before: Entry | undefined
    let written = false
    // When this fails, nobody knows what the file names: nothing is taken out of the keychain.
    await this.change((entries) => {
      before = entryIn(entries, id)
      const next = edit(entries, kept)
      written = next !== undefined
      return next
    })
    await this.#forget(written ? before : kept)
    return written
  }

  /** Reads what is there now, edits it, writes it. `edit` gives undefined where nothing is to change. */
  async change(edit: (entries: Entries) => Entries | undefined): Promise<void> {
    await this.#private.change(async (content) => {
      const next = edit(await this.#entriesOf(content))
      return next && `${JSON.stringify(next, null, 2)}\n`
    }).catch(explain)
  }

  /** Those that `which` names, with their secrets. Gives their ids. */
  async take(which: (id: string) => boolean): Promise<string[]> {
    let taken: (readonly [string, Entry | undefined])[] = []
    await this.change((entries) => {
      taken = Object.keys(entries).filter((id) => !id.startsWith("#") && which(id)).map((id) => [id, entryIn(entries, id)] as const)
      return taken.length > 0 ? Object.fromEntries(Object.entries(entries).filter(([id]) => !taken.some(([gone]) => gone === id))) : undefined
    })
    for (const [, entry] of taken) await this.#forget(entry)
    return taken.map(([id]) => id)
  }

  /** Brings every secret to where it is wanted now; one that cannot be read stays where it is. */
  async move(): Promise<number> {
    const wanted = (await this.#keychains.wanted()) !== undefined
    let moved = 0
    const entries = await this.read()
    for (const id of idsOf(entries)) {
      const stands = entryIn(entries, id)!
      if ((stands.keychain !== undefined) === wanted || (stands.keychain === undefined && Object.keys(secretsOf(stands)).length === 0)) continue
      const entry = await this.whole(id).catch((error: unknown) => void this.#warn(messageOf(error)))
      // Whoever has changed it since has put it where it belongs.
      if (entry && (await this.put(id, entry, (now, kept) => (JSON.stringify(entryIn(now, id)) === JSON.stringify(stands) ? { ...now, [id]: kept } : undefined)))) moved++
    }
    return moved
  }

  /** Lays the secrets where they are wanted; gives what the file is to have. */
  async #lay(id: string, entry: Entry): Promise<Entry> {
    const { keychain: _, hint: __, ...bare } = entry
    const secrets = secretsOf(entry)
    const wanted = Object.keys(secrets).length > 0 ? await this.#keychains.wanted() : undefined
    if (!wanted) return bare as Entry
    const name = `${id} ${randomBytes(6).toString("hex")}`
    try {
      await wanted.keychain.set(name, JSON.stringify(secrets))
      return withoutSecrets(bare as Entry, name)
    } catch (error) {
      const why = `the keychain does not take the secret of ${id} (${reasonOf(error)})`
      if (wanted.strictly) throw new AuthError("auth.keychain", `${why}. Unlock it, or set "auth": { "store": "file" } in the config`)
      this.#warn(`${why}; it is kept in ${this.file}`)
      return bare as Entry
    }
  }

  async #fetch(id: string, name: string): Promise<Secrets> {
    const known = this.#read.get(name)
    if (known) return known
    try {
      const found = await (await this.#keychains.holding()).get(name)
      if (found === undefined) throw new Error("it is not there")
      const secrets = JSON.parse(found) as Secrets
      if (this.#read.size >= MOST_READ) this.#read.clear()
      this.#read.set(name, secrets)
      return secrets
    } catch (error) {
      throw new AuthError("auth.keychain", `the secret of ${id} lies in the keychain, and cannot be read (${reasonOf(error)}). Unlock it, or log in again`)
    }
  }

  /** What nothing refers to any more. */
  async #forget(entry: Entry | undefined): Promise<void> {
    if (entry?.keychain === undefined) return
    const { keychain } = entry
    this.#read.delete(keychain)
    await this.#keychains.holding().then((holding) => holding.delete(keychain)).catch(() => {})
  }

  async #entriesOf(content: Content | undefined): Promise<Entries> {
    if (!content) return {}
    if (this.#parsed?.content === content) return this.#parsed.entries
    if (process.platform !== "win32" && (content.mode & 0o077) !== 0) await this.#repair(content.mode)
    const entries = this.#parse(content.text)
    this.#parsed = { content, entries }
    return entries
  }

  async #repair(mode: number): Promise<void> {
    const before = mode.toString(8).padStart(4, "0")
    const repaired = await chmod(this.file, 0o600).then(() => true, () => false)
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
}

/** What a keychain says may go on for lines. */
const reasonOf = (error: unknown): string => messageOf(error).replace(/\s+/g, " ").slice(0, 200)

function explain(error: unknown): never {
  if (!(error instanceof RewriteError)) throw error
  const code = error.code.replace("rewrite", "auth") as AuthError["code"]
  throw new AuthError(code, `${error.message}${code === "auth.unwritable" ? ". A key in an environment variable needs no file" : ""}`)
}
