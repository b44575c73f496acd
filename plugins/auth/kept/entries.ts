/**
 * What is kept of credentials: a flat record, `anthropic` for the account "default" of an integration, `anthropic#work` for
 * another, `#active` for who was chosen. What an earlier version wrote is part of this form, and what a later one writes
 * is kept as it is.
 */
import { createHash } from "node:crypto"
import { AuthError } from "../errors.ts"

export type Entries = Readonly<Record<string, unknown>>
/** Of one whose secrets lie in a keychain: `keychain` names the item, `hint` is the end of the secret. */
interface Kept { keychain?: string; hint?: string }
export interface KeyEntry extends Kept { kind: "key"; secret: string }
/** All that a refresh needs, so that it hangs on no plugin. `login`: which login it is of. `failed`: why it cannot be refreshed any more. */
export interface OAuthEntry extends Kept { kind: "oauth"; login: string; access: string; refresh?: string; clientSecret?: string; obtained: number; expires?: number; scope?: string; issuer: string; token: string; client: string; clientAuth?: "basic" | "post"; resource?: string; failed?: string }
export interface CommandEntry extends Kept { kind: "command"; command: string; ttl?: number }
export interface FileEntry extends Kept { kind: "file"; path: string }
export interface WellKnownEntry extends Kept { kind: "well-known"; url: string }
export type Entry = KeyEntry | OAuthEntry | CommandEntry | FileEntry | WellKnownEntry

export const ACTIVE = "#active"
export const DEFAULT = "default"

/** Texts that each kind cannot do without; the secret ones may lie in a keychain. */
const NEEDS: Record<Entry["kind"], readonly string[]> = { key: ["secret"], oauth: ["login", "access", "token", "client", "issuer"], command: ["command"], file: ["path"], "well-known": ["url"] }
const SECRET = ["secret", "access", "refresh", "clientSecret"] as const
export type Secrets = Partial<Record<(typeof SECRET)[number], string>>

export const idOf = (provider: string, account: string): string => (account === DEFAULT ? provider : `${provider}#${account}`)
export function partsOf(id: string): { provider: string; account: string } {
  const [provider, account = DEFAULT] = id.split("#") as [string, string?]
  return { provider, account }
}

/** Undefined for what this version cannot read, or is no entry. */
export function entryIn(entries: Entries, id: string): Entry | undefined {
  const found = Object.hasOwn(entries, id) && !id.startsWith("#") ? (entries[id] as Record<string, unknown> | null) : undefined
  if (typeof found !== "object" || found === null || !Object.hasOwn(NEEDS, String(found.kind))) return undefined
  const missing = NEEDS[found.kind as Entry["kind"]].filter((name) => typeof found[name] !== "string" || found[name] === "")
  if (missing.some((name) => found.keychain === undefined || !(SECRET as readonly string[]).includes(name))) return undefined
  if (found.kind === "oauth" && (typeof found.obtained !== "number" || !["number", "undefined"].includes(typeof found.expires))) return undefined
  return found as unknown as Entry
}

export const accountsOf = (entries: Entries, provider: string): string[] => Object.keys(entries).filter((id) => partsOf(id).provider === provider && entryIn(entries, id)).map((id) => partsOf(id).account).sort()
export const idsOf = (entries: Entries): string[] => Object.keys(entries).filter((id) => entryIn(entries, id)).sort()

/** Who was chosen; else "default", else the first by name. */
export function activeOf(entries: Entries, provider: string): string | undefined {
  const accounts = accountsOf(entries, provider)
  const chosen = chosenIn(entries)[provider]
  return [chosen, DEFAULT].find((account) => account !== undefined && accounts.includes(account)) ?? accounts[0]
}

export function choosing(entries: Entries, provider: string, account: string): Entries {
  const { [provider]: _, ...others } = chosenIn(entries)
  const chosen = account === DEFAULT ? others : { ...others, [provider]: account }
  const { [ACTIVE]: __, ...rest } = entries
  return Object.keys(chosen).length > 0 ? { ...rest, [ACTIVE]: chosen } : rest
}

function chosenIn(entries: Entries): Record<string, string> {
  const chosen = Object.hasOwn(entries, ACTIVE) ? entries[ACTIVE] : undefined
  return typeof chosen === "object" && chosen !== null && !Array.isArray(chosen) ? Object.fromEntries(Object.entries(chosen).filter(([, account]) => typeof account === "string")) as Record<string, string> : {}
}

export function secretsOf(entry: Entry): Secrets {
  const texts = entry as unknown as Record<string, unknown>
  return Object.fromEntries(SECRET.flatMap((name) => (typeof texts[name] === "string" ? [[name, texts[name]]] : []))) as Secrets
}

/** What may lie in the file when the secrets lie elsewhere. */
export function withoutSecrets(entry: Entry, keychain: string): Entry {
  const rest = Object.fromEntries(Object.entries(entry).filter(([name]) => !(SECRET as readonly string[]).includes(name)))
  return { ...rest, keychain, hint: hintOf(entry) } as unknown as Entry
}

export function withSecrets(kept: Entry, secrets: Secrets): Entry {
  const { keychain: _, hint: __, ...entry } = kept
  return { ...entry, ...secrets } as Entry
}

/** The end of a secret tells keys apart; of a short one even that would tell too much. */
export function hintOf(entry: Entry): string {
  if (entry.hint !== undefined) return entry.hint
  const { secret, access } = secretsOf(entry)
  return endOf(secret ?? access ?? "")
}
export const endOf = (secret: string): string => (secret.length > 12 ? secret.slice(-4) : "")

/** Which secret it is, without saying it. */
export const digestOf = (entry: Entry): string => createHash("sha256").update(JSON.stringify([entry.kind, entry.keychain ?? entry])).digest("hex")

const INTEGRATION = /^[a-z0-9][a-z0-9._-]{0,127}(:[\w.@/-][\w .@:/-]{0,127})?$/i
const ACCOUNT = /^[\w.@-][\w .@+-]{0,63}$/

/** What was given is not repeated: it may be the key. */
export function checkIntegration(provider: string): void {
  if (!INTEGRATION.test(provider)) throw new AuthError("auth.invalid", 'the provider is not valid: an id has letters, digits, ".", "_" and "-", and may have a prefix, as in "mcp:linear". (What was given is not repeated: it may be the key.)')
}

export function checkAccount(account: string): void {
  if (!ACCOUNT.test(account) || account === "env") throw new AuthError("auth.invalid", 'the name of an account has letters, digits, spaces and ". _ - @ +", at most 64 of them, and is not "env"')
}
