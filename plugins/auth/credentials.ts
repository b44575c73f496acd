/** The service `auth`: what an integration can be spoken to with. The environment, read at each call, comes before what is kept. */
import { stat } from "node:fs/promises"
import { isAbsolute } from "node:path"
import type { Graft } from "graft"
import type { Auth, AuthMethod, Credential, CredentialInfo, NewCredential } from "./contract.ts"
import { accountsOf, activeOf, checkAccount, checkIntegration, choosing, DEFAULT, digestOf, endOf, entryIn, idOf, idsOf, partsOf, type Entries, type Entry } from "./kept/entries.ts"
import { AuthError } from "./errors.ts"
import type { Logins } from "./login.ts"
import { allMethods, inEnvironment } from "./methods.ts"
import { systemTime, type Time } from "./secret/refresher.ts"
import { SecretSource } from "./secret/source.ts"
import { infoOf, tell, type AuthState } from "./told.ts"
import type { Vault } from "./kept/vault.ts"

export interface Surroundings { env?: NodeJS.ProcessEnv; time?: Time }

export function makeAuth(graft: Graft<AuthState>, vault: Vault, logins: Logins, { env = process.env, time = systemTime }: Surroundings = {}): Auth {
  const methods = () => allMethods(graft)

  /** Reads the file, and tells what changed in it since it was told last, whoever changed it. */
  async function stored(): Promise<Entries> {
    const entries = await vault.read()
    tell(graft, entries, vault.file)
    return entries
  }
  const source = new SecretSource(graft, vault, stored, time)

  async function fromEnvironment(provider: string, own: readonly AuthMethod[]): Promise<Credential | undefined> {
    for (const method of [...own, ...(await methods())]) {
      const found = method.provider === provider ? inEnvironment(method, env) : undefined
      if (found) return found
    }
    return undefined
  }

  async function get(provider: string, own: readonly AuthMethod[] = []): Promise<Credential | undefined> {
    const found = await fromEnvironment(provider, own)
    if (found) return found
    const entries = await stored()
    const account = activeOf(entries, provider)
    if (account === undefined) return undefined
    const id = idOf(provider, account)
    const { kind, source: where, name } = infoOf(entries, id, vault.file)
    // What opens a gateway hangs on no gateway.
    const opened = (other: string) => (other === provider ? Promise.resolve(undefined) : get(other))
    return { provider, account, kind, source: where, name, ...(await source.of(id, opened)) }
  }

  async function keep(provider: string, account: string, entry: Entry): Promise<CredentialInfo> {
    const id = idOf(provider, account)
    await stored()
    await vault.put(id, entry, (entries, kept) => choosing({ ...entries, [id]: kept }, provider, account))
    return infoOf(await stored(), id, vault.file)
  }

  async function renew(provider: string, secret?: string): Promise<CredentialInfo | undefined> {
    if (await fromEnvironment(provider, [])) return undefined
    const entries = await stored()
    const account = activeOf(entries, provider)
    if (account === undefined) return undefined
    await source.renew(idOf(provider, account), secret, (other) => (other === provider ? Promise.resolve() : renew(other)))
    return infoOf(await stored(), idOf(provider, account), vault.file)
  }

  return {
    methods, get, renew,
    async peek(provider, own = []) {
      const found = await fromEnvironment(provider, own)
      if (found) return infoFrom(found)
      const entries = await stored()
      const account = activeOf(entries, provider)
      const info = account === undefined ? undefined : infoOf(entries, idOf(provider, account), vault.file)
      if (info?.failed !== undefined) throw new AuthError("auth.revoked", info.failed)
      return info
    },
    async set(provider, credential, account = DEFAULT) {
      checkIntegration(provider)
      checkAccount(account)
      const entry = await checked(provider, typeof credential === "string" ? { kind: "key", secret: credential } : credential)
      const [id, entries] = [idOf(provider, account), await stored()]
      const before = entryIn(entries, id) && (await vault.whole(id).catch(() => undefined))
      if (before && digestOf({ ...before, keychain: undefined }) === digestOf({ ...entry, keychain: undefined }) && activeOf(entries, provider) === account) return infoOf(entries, id, vault.file)
      return keep(provider, account, entry)
    },
    async remove(provider, account) {
      await stored()
      const gone = await vault.take((id) => (account === undefined ? partsOf(id).provider === provider : id === idOf(provider, account)))
      await stored()
      return gone.length > 0
    },
    async switch(provider, account) {
      const entries = await stored()
      if (!accountsOf(entries, provider).includes(account)) throw new AuthError("auth.unknown", `${provider} has no such account; there ${accountsOf(entries, provider).length ? `are ${accountsOf(entries, provider).join(", ")}` : `is none: graft auth login ${provider}`}`)
      await vault.change((now) => (activeOf(now, provider) === account || !entryIn(now, idOf(provider, account)) ? undefined : choosing(now, provider, account)))
      return infoOf(await stored(), idOf(provider, account), vault.file)
    },
    async list() {
      const entries = await stored()
      const found = [...(await methods()).flatMap((method) => inEnvironment(method, env) ?? []).map(infoFrom), ...idsOf(entries).map((id) => infoOf(entries, id, vault.file))]
      return found.sort((a, b) => (a.provider < b.provider ? -1 : a.provider > b.provider ? 1 : 0))
    },
    login: (provider, options = {}) => logins.run(provider, options, methods, (account, entry) => keep(provider, account, entry), time),
    answer: async (login, pasted) => logins.answer(login, pasted),
    gateway: async (url) => (await import("./secret/gateway.ts")).gatewayAt(url),
    async inspect() {
      const entries = await stored()
      const { reportOf } = await import("./report.ts")
      return reportOf(entries, vault, [...(await methods())].flatMap((method) => inEnvironment(method, env) ?? []).map(infoFrom), time)
    },
    move: () => vault.move().finally(stored),
  }
}

/** What the environment has. */
export const infoFrom = ({ provider, account, kind, source, name, secret }: Credential): CredentialInfo => ({ provider, account, kind, source, name, hint: endOf(secret), active: true })

async function checked(provider: string, credential: NewCredential): Promise<Entry> {
  const refused = (why: string) => new AuthError("auth.invalid", why)
  switch (credential.kind) {
    case "key": {
      const secret = credential.secret.trim()
      if (secret === "") throw refused(`no key for ${provider} was given`)
      if (/[\s\p{Cc}]/u.test(secret)) throw refused(`the key for ${provider} has spaces, line ends or control characters in it; perhaps more than the key was pasted`)
      return { kind: "key", secret }
    }
    case "command": {
      const { command, ttl } = credential
      if (command.trim() === "" || command.length > 4_096 || command.includes("\0")) throw refused(`the command for ${provider} is empty, or no command line`)
      if (ttl !== undefined && !(ttl >= 0 && ttl <= 31_536_000)) throw refused("ttl is a number of seconds")
      return { kind: "command", command: command.trim(), ...(ttl !== undefined && { ttl }) }
    }
    case "file": {
      const { path } = credential
      if (!isAbsolute(path) || path.includes("\0")) throw refused(`the file for ${provider} is named by an absolute path`)
      if (!(await stat(path).catch(() => undefined))?.isFile()) throw refused(`${path} is no file`)
      return { kind: "file", path }
    }
    case "well-known": {
      const { originOf, wayTo } = await import("./secret/gateway.ts")
      const url = originOf(credential.url)
      await wayTo(url, provider)
      return { kind: "well-known", url }
    }
    default: throw refused(`"${String((credential as { kind?: unknown }).kind)}" is no kind of credential that can be kept`)
  }
}
