/**
 * Tokens that end are renewed before they do: by a timer that is set when one is used, else by who needs it. Of all
 * processes one asks, and the others read what it got, because a refresh token that is used twice ends the login
 * (demand.md, ask 19).
 */
import { createHash } from "node:crypto"
import type { Graft } from "graft"
import { partsOf, type Entry, type OAuthEntry } from "../kept/entries.ts"
import { AuthError } from "../errors.ts"
import type { AuthState } from "../told.ts"
import type { Vault } from "../kept/vault.ts"

/** Of its life, and at most so many ms: so long before its end a token is renewed. */
const SHARE = 0.1
const EARLY = 5 * 60_000
/** ms: a server that just failed is left alone; and what is taken for a clock that was set back. */
const PAUSE = 5_000
const BACK = 60_000
/** Claims by other processes that are waited for. */
const ROUNDS = 3

export interface Time { now(): number; /** Only ever forward. */ steady(): number }
export const systemTime: Time = { now: () => Date.now(), steady: () => performance.now() }

export class Refresher {
  readonly #graft: Graft<AuthState>
  readonly #vault: Vault
  readonly #time: Time
  /** Reads the file and tells what changed. */
  readonly #look: () => Promise<unknown>
  readonly #running = new Map<string, Promise<OAuthEntry>>()
  readonly #timers = new Map<string, { obtained: number; cancel(): void }>()
  readonly #failed = new Map<string, { login: string; at: number; error: AuthError }>()
  /** Renewed, and not yet on the disk. */
  readonly #unsaved = new Map<string, OAuthEntry>()

  constructor(graft: Graft<AuthState>, vault: Vault, look: () => Promise<unknown>, time: Time) {
    this.#graft = graft
    this.#vault = vault
    this.#look = look
    this.#time = time
  }

  /** As it may be used now. Rejects when it cannot be. */
  async fresh(id: string, entry: OAuthEntry): Promise<OAuthEntry> {
    const now = this.#time.now()
    const best = await this.#best(id, entry)
    if (best.failed !== undefined) throw new AuthError("auth.revoked", best.failed)
    if (!isDue(best, now)) {
      this.#arm(id, best)
      return best
    }
    if (best.refresh === undefined) {
      if (!isOver(best, now)) return best
      throw await this.#end(id, best, `the login to ${partsOf(id).provider} has ended, and its server gave no way to renew it`)
    }
    try {
      const next = await this.renewed(id, best)
      this.#arm(id, next)
      return next
    } catch (error) {
      // What still holds is used while it does.
      if ((error as AuthError).code !== "auth.revoked" && !isOver(best, this.#time.now())) return best
      throw error
    }
  }

  /** What could not be kept when it came is tried again: without it the others would use the old token. */
  async #best(id: string, entry: OAuthEntry): Promise<OAuthEntry> {
    const unsaved = this.#unsaved.get(id)
    if (!unsaved) return entry
    const saved = await this.#save(id, unsaved).then(() => true, () => false)
    if (saved || unsaved.login !== entry.login) this.#unsaved.delete(id)
    return unsaved.login === entry.login ? unsaved : entry
  }

  /** In the place of this one: whatever is there that is another one, else a new one. */
  renewed(id: string, seen: OAuthEntry): Promise<OAuthEntry> {
    const running = this.#running.get(id) ?? this.#renew(id, seen).finally(() => this.#running.delete(id))
    this.#running.set(id, running)
    return running
  }

  async #renew(id: string, seen: OAuthEntry): Promise<OAuthEntry> {
    const failed = this.#failed.get(id)
    const before = failed?.login === seen.login ? failed : undefined
    if (before && this.#time.steady() - before.at < PAUSE) throw before.error
    const { provider, account } = partsOf(id)
    try {
      const next = await this.#alone(id, seen)
      this.#failed.delete(id)
      return next
    } catch (error) {
      if (!(error instanceof AuthError)) throw error
      if (error.code !== "auth.revoked") {
        this.#failed.set(id, { login: seen.login, at: this.#time.steady(), error })
        if (!before && !this.#graft.retiring.aborted) this.#graft.emit("auth.failed", { provider, account, code: error.code, message: error.message })
      }
      throw error
    }
  }

  async #alone(id: string, seen: OAuthEntry): Promise<OAuthEntry> {
    const path = `${this.#vault.file}.${createHash("sha256").update(id).digest("hex").slice(0, 12)}.renewing`
    const { free, take } = await import("./claim.ts")
    for (let round = 0; round < ROUNDS; round++) {
      const give = await take(path).catch((error: NodeJS.ErrnoException) => { throw new AuthError("auth.unwritable", `the login to ${partsOf(id).provider} cannot be renewed, because ${path} cannot be written (${error.code})`) })
      try {
        const there = await this.#there(id, seen)
        if (there) return there
        if (give) return await this.#ask(id, seen)
      } finally {
        await give?.()
      }
      await free(path)
    }
    throw new AuthError("auth.busy", `another process has been renewing the login to ${partsOf(id).provider} for minutes; if there is none, delete ${path}`)
  }

  /** What somebody else has put there since. */
  async #there(id: string, seen: OAuthEntry): Promise<OAuthEntry | undefined> {
    const entry: Entry | undefined = this.#unsaved.get(id) ?? (await this.#vault.whole(id))
    if (entry?.kind !== "oauth") throw new AuthError("auth.revoked", `there is no login to ${partsOf(id).provider} any more; run graft auth login ${partsOf(id).provider}`)
    if (entry.failed !== undefined) throw new AuthError("auth.revoked", entry.failed)
    return entry.access === seen.access ? undefined : entry
  }

  async #ask(id: string, seen: OAuthEntry): Promise<OAuthEntry> {
    const [{ renewed }, { reasonOf, refusalOf }] = [await import("../oauth/tokens.ts"), await import("../oauth/requests.ts")]
    const { provider } = partsOf(id)
    let next: OAuthEntry
    try {
      next = await renewed(seen, this.#time.now)
    } catch (error) {
      const says = reasonOf(error, [seen.refresh, seen.access, seen.clientSecret])
      if (refusalOf(error)?.final) throw await this.#end(id, seen, `${seen.issuer} does not renew the login to ${provider} (${says})`)
      throw new AuthError("auth.unreachable", `the login to ${provider} could not be renewed now: ${new URL(seen.token).host}: ${says}`)
    }
    // The old refresh token may be void from here on: what came is never dropped.
    this.#unsaved.set(id, next)
    try {
      await this.#save(id, next)
      this.#unsaved.delete(id)
      await this.#look()
    } catch (error) {
      this.#graft.log.warn(`the renewed login to ${provider} is used, and could not be kept: ${(error as Error).message}`)
    }
    return next
  }

  /** Unless somebody has logged in anew, or out, meanwhile. */
  #save(id: string, next: OAuthEntry): Promise<boolean> {
    return this.#vault.put(id, next, (entries, kept) => ((entries[id] as Partial<OAuthEntry> | undefined)?.login === next.login ? { ...entries, [id]: kept } : undefined))
  }

  /** It is over: so that nobody asks again, that is written down beside it. */
  async #end(id: string, entry: OAuthEntry, why: string): Promise<AuthError> {
    const failed = `${why}. Run graft auth login ${partsOf(id).provider}`
    await this.#save(id, { ...entry, failed }).catch(() => {})
    await this.#look().catch(() => {})
    return new AuthError("auth.revoked", failed)
  }

  /** One timer a login, and only while somebody uses it: who sleeps wakes nobody. */
  #arm(id: string, entry: OAuthEntry): void {
    const armed = this.#timers.get(id)
    if (entry.expires === undefined || entry.refresh === undefined || this.#graft.retiring.aborted || armed?.obtained === entry.obtained) return
    armed?.cancel()
    // Held, because what a server has answered must be kept; whoever needs the token next hears why it failed, if it does so then too.
    const cancel = this.#graft.timeout(Math.max(0, dueAt(entry) - this.#time.now()), () => this.#graft.fork(() => this.#inTime(id).catch(() => {}), { hold: true }))
    this.#timers.set(id, { obtained: entry.obtained, cancel })
  }

  async #inTime(id: string): Promise<void> {
    this.#timers.delete(id)
    const entry = await this.#vault.whole(id)
    if (entry?.kind !== "oauth" || entry.failed !== undefined) return
    if (isDue(entry, this.#time.now())) await this.renewed(id, entry)
    else this.#arm(id, entry)
  }
}

const dueAt = ({ expires, obtained }: OAuthEntry): number => expires! - Math.min(EARLY, Math.max(0, expires! - obtained) * SHARE)

/** Of a clock that was set back nobody knows by how much: then the token is renewed, which also tells its end anew. */
export const isDue = (entry: OAuthEntry, now: number): boolean => entry.expires !== undefined && (now >= dueAt(entry) || now < entry.obtained - BACK)
export const isOver = (entry: OAuthEntry, now: number): boolean => entry.expires !== undefined && now >= entry.expires
