/** From what is kept to the secret itself, as it may be used now; and what was refused, had anew. */
import { constants } from "node:fs"
import { open } from "node:fs/promises"
import type { Graft } from "graft"
import type { Credential } from "../contract.ts"
import { digestOf, partsOf, type CommandEntry, type Entry, type FileEntry } from "../kept/entries.ts"
import { AuthError } from "../errors.ts"
import type { Printed } from "./program.ts"
import { Refresher, type Time } from "./refresher.ts"
import type { AuthState } from "../told.ts"
import type { Vault } from "../kept/vault.ts"

export type Secret = Pick<Credential, "secret" | "token" | "expires" | "url" | "headers">

/** ms that a printed secret is good for, where nobody says; and how long before its end it is printed anew. */
const GOOD = 3_600_000
const EARLY = 60_000
const MOST_BYTES = 64 * 1024

export class SecretSource {
  readonly #graft: Graft<AuthState>
  readonly #vault: Vault
  readonly #time: Time
  readonly #refresher: Refresher
  /** What commands printed. In memory alone. */
  readonly #printed = new Map<string, { digest: string; from: number; until: number; work: Promise<Printed> }>()
  /** Which entry was told to fail, as its digest. */
  readonly #failed = new Map<string, string>()

  constructor(graft: Graft<AuthState>, vault: Vault, look: () => Promise<unknown>, time: Time) {
    this.#graft = graft
    this.#vault = vault
    this.#time = time
    this.#refresher = new Refresher(graft, vault, look, time)
  }

  /** `open`: the credential of another integration, for what hangs on it. */
  async of(id: string, open: (provider: string) => Promise<Credential | undefined>): Promise<Secret> {
    const entry = await this.#vault.whole(id)
    if (!entry) throw new AuthError("auth.unknown", `there is no credential of ${partsOf(id).provider} any more`)
    switch (entry.kind) {
      case "key": return { secret: entry.secret, token: false }
      case "oauth": {
        const { access, expires } = await this.#refresher.fresh(id, entry)
        return { secret: access, token: true, ...(expires !== undefined && { expires }) }
      }
      case "command": return this.#telling(id, entry, async () => ({ ...(await this.#print(id, entry)), token: false }))
      case "file": return this.#telling(id, entry, async () => ({ secret: await secretIn(entry, partsOf(id).provider), token: false }))
      case "well-known": return this.#telling(id, entry, async () => {
        const { originOf, wayTo } = await import("./gateway.ts")
        const provider = `gateway:${new URL(originOf(entry.url)).host}`
        const key = await open(provider)
        if (!key) throw new AuthError("auth.gateway", `nobody is logged in to ${entry.url}: run graft auth login ${entry.url}`)
        return { secret: key.secret, token: true, ...(key.expires !== undefined && { expires: key.expires }), ...(await wayTo(entry.url, partsOf(id).provider)) }
      })
      default: return entry satisfies never
    }
  }

  /** The secret was refused: the next one that is asked for is another one, where that can be. */
  async renew(id: string, refused: string | undefined, over: (provider: string) => Promise<unknown>): Promise<void> {
    const entry = await this.#vault.whole(id)
    if (entry?.kind === "oauth" && entry.refresh !== undefined && entry.failed === undefined && (refused === undefined || refused === entry.access)) await this.#refresher.renewed(id, entry)
    else if (entry?.kind === "command") {
      const known = this.#printed.get(id)
      if (!known || refused === undefined || (await known.work.catch(() => undefined))?.secret === refused) this.#printed.delete(id)
    } else if (entry?.kind === "well-known") {
      const { forget, originOf } = await import("./gateway.ts")
      forget(originOf(entry.url))
      await over(`gateway:${new URL(originOf(entry.url)).host}`)
    }
  }

  async #print(id: string, entry: CommandEntry): Promise<Printed> {
    const now = this.#time.now()
    const known = this.#printed.get(id)
    if (known && known.digest === digestOf(entry) && now >= known.from && now < known.until) return known.work
    const mine = { digest: digestOf(entry), from: now, until: Infinity, work: import("./program.ts").then(({ printed }) => printed(entry.command, partsOf(id).provider)) }
    this.#printed.set(id, mine)
    try {
      const { expires } = await mine.work
      mine.until = expires === undefined ? now + (entry.ttl === undefined ? GOOD : entry.ttl * 1_000) : expires - EARLY
    } catch (error) {
      if (this.#printed.get(id) === mine) this.#printed.delete(id)
      throw error
    }
    return mine.work
  }

  /** A failure is told once, until it works again. */
  async #telling(id: string, entry: Entry, work: () => Promise<Secret>): Promise<Secret> {
    try {
      const secret = await work()
      this.#failed.delete(id)
      return secret
    } catch (error) {
      const { code, message } = error as AuthError
      if (error instanceof AuthError && this.#failed.get(id) !== digestOf(entry) && !this.#graft.retiring.aborted) this.#graft.emit("auth.failed", { ...partsOf(id), code, message })
      this.#failed.set(id, digestOf(entry))
      throw error
    }
  }
}

async function secretIn({ path }: FileEntry, whose: string): Promise<string> {
  const refused = (why: string) => new AuthError("auth.file", `${path}, which holds the credential of ${whose}, cannot be used: ${why}`)
  let text: string
  try {
    await using file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const status = await file.stat()
    if (!status.isFile() || status.size > MOST_BYTES) throw refused(status.isFile() ? `it has ${status.size} bytes` : "it is no regular file")
    text = (await file.readFile("utf8")).trim()
  } catch (error) {
    throw error instanceof AuthError ? error : refused((error as NodeJS.ErrnoException).code ?? "it cannot be read")
  }
  if (text === "" || /[\s\p{Cc}]/u.test(text)) throw refused("one line is expected, the secret and nothing else")
  return text
}
