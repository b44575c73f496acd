/** The service `auth`: what a provider can be spoken to with. The environment, read at each call, comes before the file. */
import { createHash } from "node:crypto"
import type { Graft } from "graft"
import type { Auth, AuthMethod, Credential, CredentialInfo } from "./contract.ts"
import { AuthError } from "./errors.ts"
import { keyIn, type Entries, type Vault } from "./vault.ts"

/** What was told last, as digests by provider; absent before the file was first read. */
export interface AuthState { told?: Record<string, string> }

export function makeAuth(graft: Graft<AuthState>, vault: Vault, env: NodeJS.ProcessEnv = process.env): Auth {
  /** Providers are a project's: their methods are gathered from every location that is open. */
  async function methods(): Promise<AuthMethod[]> {
    const found = new Map([...graft.all("authMethod")].map((method) => [method.id, method]))
    for (const location of graft.kernel.locations()) {
      using there = await graft.at(location)
      for (const method of there.all("authMethod")) found.set(method.id, method)
    }
    return [...found.values()]
  }

  const inEnvironment = ({ provider, env: names }: AuthMethod): Credential | undefined => {
    const name = names.find((candidate) => env[candidate]?.trim())
    return name === undefined ? undefined : { provider, kind: "key", secret: env[name]!.trim(), source: "env", name }
  }

  const inFile = (entries: Entries, provider: string): Credential | undefined => {
    const secret = keyIn(entries, provider)
    return secret === undefined ? undefined : { provider, kind: "key", secret, source: "file", name: vault.file }
  }

  /** Reads the file, and tells what changed in it since it was told last, whoever changed it. */
  async function stored(): Promise<Entries> {
    const entries = await vault.read()
    tell(entries)
    return entries
  }

  function tell(entries: Entries): void {
    if (graft.retiring.aborted) return
    const { told } = graft.state.value
    const now = Object.fromEntries(Object.keys(entries).flatMap((provider) => { const secret = keyIn(entries, provider); return secret === undefined ? [] : [[provider, digestOf(secret)]] }))
    const changed = Object.keys(now).filter((provider) => !told || ownOf(told, provider) !== now[provider])
    const gone = Object.keys(told ?? {}).filter((provider) => !Object.hasOwn(now, provider))
    if (told && changed.length === 0 && gone.length === 0) return
    graft.state.update(() => ({ told: now }))
    // What was there when it was first read is no change.
    if (!told) return
    for (const provider of changed) graft.emit(Object.hasOwn(told, provider) ? "auth.updated" : "auth.added", infoOf(inFile(entries, provider)!))
    for (const provider of gone) graft.emit("auth.removed", { provider })
  }

  return {
    methods,
    async get(provider, own = []) {
      for (const method of [...own, ...(await methods())]) {
        const found = method.provider === provider ? inEnvironment(method) : undefined
        if (found) return found
      }
      return inFile(await stored(), provider)
    },
    async set(provider, secret) {
      const key = checked(provider, secret)
      await stored()
      await vault.change((entries) => (keyIn(entries, provider) === key ? undefined : { ...entries, [provider]: { kind: "key", secret: key } }))
      return infoOf(inFile(await stored(), provider)!)
    },
    async remove(provider) {
      await stored()
      let removed = false
      await vault.change((entries) => {
        if (!Object.hasOwn(entries, provider)) return undefined
        removed = true
        const { [provider]: _, ...others } = entries
        return others
      })
      await stored()
      return removed
    },
    async list() {
      const entries = await stored()
      const found = [...(await methods()).flatMap((method) => inEnvironment(method) ?? []), ...Object.keys(entries).flatMap((provider) => inFile(entries, provider) ?? [])]
      return found.map(infoOf).sort((a, b) => (a.provider < b.provider ? -1 : a.provider > b.provider ? 1 : 0))
    },
  }
}

/** The end of a secret tells keys apart; of a short one even that would tell too much. */
export const infoOf = ({ secret, ...rest }: Credential): CredentialInfo => ({ ...rest, hint: secret.length > 12 ? secret.slice(-4) : "" })

const digestOf = (secret: string): string => createHash("sha256").update(secret).digest("hex")
const ownOf = (record: Readonly<Record<string, string>>, key: string): string | undefined => (Object.hasOwn(record, key) ? record[key] : undefined)

function checked(provider: string, secret: string): string {
  if (!/^[a-z0-9][a-z0-9._-]*$/i.test(provider)) throw new AuthError("auth.invalid", 'the provider is not valid: an id has letters, digits, ".", "_" and "-". (What was given is not repeated: it may be the key.)')
  const key = secret.trim()
  if (key === "") throw new AuthError("auth.invalid", `no key for ${provider} was given`)
  if (/[\s\p{Cc}]/u.test(key)) throw new AuthError("auth.invalid", `the key for ${provider} has spaces, line ends or control characters in it; perhaps more than the key was pasted`)
  return key
}
