/**
 * The file of credentials: private JSON, one entry a provider. One that cannot be parsed is never written over, and
 * entries of a kind that this version does not know are kept as they are.
 */
import { chmod } from "node:fs/promises"
import { PrivateFile, type Content } from "../lib/privatefile.ts"
import { RewriteError } from "../lib/rewrite.ts"
import { AuthError } from "./errors.ts"

export type Entries = Readonly<Record<string, unknown>>
export interface KeyEntry { kind: "key"; secret: string }

export const keyIn = (entries: Entries, provider: string): string | undefined => {
  const entry = Object.hasOwn(entries, provider) ? (entries[provider] as Partial<KeyEntry> | null) : undefined
  return entry?.kind === "key" && typeof entry.secret === "string" && entry.secret !== "" ? entry.secret : undefined
}

export class Vault {
  readonly file: string
  readonly #private: PrivateFile
  readonly #warn: (message: string) => void
  #parsed: { content: Content; entries: Entries } | undefined

  constructor(file: string, warn: (message: string) => void) {
    this.file = file
    this.#private = new PrivateFile(file)
    this.#warn = warn
  }

  async read(): Promise<Entries> {
    return this.#entriesOf(await this.#private.read().catch(explain))
  }

  /** Reads what is there now, edits it, writes it. `edit` gives undefined where nothing is to change. */
  async change(edit: (entries: Entries) => Entries | undefined): Promise<void> {
    await this.#private.change(async (content) => {
      const next = edit(await this.#entriesOf(content))
      return next && `${JSON.stringify(next, null, 2)}\n`
    }).catch(explain)
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

function explain(error: unknown): never {
  if (!(error instanceof RewriteError)) throw error
  const code = error.code.replace("rewrite", "auth") as AuthError["code"]
  throw new AuthError(code, `${error.message}${code === "auth.unwritable" ? ". A key in an environment variable needs no file" : ""}`)
}
