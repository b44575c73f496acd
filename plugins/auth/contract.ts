import type { Notify } from "graft"

/** One way to come by a credential. Contributed by the plugin that needs it; data, so that every face can show it. */
export type AuthMethod = KeyMethod | OAuthMethod | CommandMethod | CloudMethod
interface Method {
  id: string
  /** The integration: a provider ("anthropic"), or with a prefix what else there is ("mcp:linear", "git:example.org"). */
  provider: string
  label: string
  /** Environment variables that hold its secret, in order. */
  env: readonly string[]
  /** Where a person gets one. */
  url?: string
}
export interface KeyMethod extends Method { kind: "key" }
/** A shell command that prints the secret, e.g. "gh auth token". It runs once somebody has logged in with it. */
export interface CommandMethod extends Method { kind: "command"; command: string }
/** Found by the vendor's own chain (profiles, machines): nothing is kept here. `help`: how it is set up. */
export interface CloudMethod extends Method { kind: "cloud"; help: string }
/**
 * A login at an authorization server. Its endpoints are found by `resource` (RFC 9728: the server that is to be used, e.g.
 * an MCP server's URL, names its authorization server) or `issuer` (RFC 8414, OpenID Connect), or are written in `endpoints`.
 */
export interface OAuthMethod extends Method {
  kind: "oauth"
  /** "code": PKCE in a browser that comes back to loopback, or whose last address is pasted; "device": a code typed elsewhere. Default "code". */
  flow?: "code" | "device"
  /** Tokens are asked for this resource alone (RFC 8707). */
  resource?: string
  /** Where the resource's metadata is, when its 401 said so (`resource_metadata` of WWW-Authenticate). */
  metadata?: string
  issuer?: string
  endpoints?: { authorize?: string; token?: string; device?: string; register?: string }
  /** Without one the client registers itself (RFC 7591). */
  client?: { id: string; secret?: string }
  scopes?: readonly string[]
  /** More parameters of the authorization request. */
  extra?: Readonly<Record<string, string>>
  /** What the client is registered with, where that is not any port and "/callback" of 127.0.0.1. */
  redirect?: { port?: number; path?: string }
}

export type CredentialKind = "key" | "oauth" | "command" | "file" | "well-known"

/** What `set` keeps. `command`: its stdout is the secret, or JSON with `secret` and `expires`; `ttl`: seconds that it is good for otherwise. `url`: a company's gateway. */
export type NewCredential =
  | { kind: "key"; secret: string }
  | { kind: "command"; command: string; ttl?: number }
  | { kind: "file"; path: string }
  | { kind: "well-known"; url: string }

/**
 * Without its secret. `account`: its name among those of the integration; of the environment, "env". `source`, `name`: where it
 * is kept: the variable, the file, or the keychain. `active`: the one of the kept ones that is used. Times are ms since the epoch.
 */
export interface CredentialInfo {
  provider: string
  account: string
  kind: CredentialKind
  source: "env" | "file" | "keychain"
  name: string
  /** The end of a long secret; empty for what is only known when it is asked for. */
  hint: string
  active: boolean
  expires?: number
  /** Why it cannot be used any more, and what to do. */
  failed?: string
}

/** Never leaves this process, never logged, never in an event. `token`: an access token of somebody who logged in, no key: it belongs into `Authorization: Bearer`. `url`, `headers`: where and how a gateway wants this integration to be asked. */
export interface Credential extends Omit<CredentialInfo, "hint" | "active" | "failed"> { secret: string; token: boolean; url?: string; headers?: Readonly<Record<string, string>> }

/** `open`: an address for a browser; without `redirect`, what it ends at has to be given to `answer`, and with it may be. `code`: to be typed at `url`. `login` names it. */
export type LoginStep =
  | { kind: "open"; login: string; url: string; redirect?: string; expires: number }
  | { kind: "code"; login: string; url: string; code: string; complete?: string; expires: number }
  | { kind: "done"; credential: CredentialInfo }

/** `method`: its id, or one that is no row (yet). `scopes`: in the place of the method's, as a server's challenge asks for them. */
export interface LoginOptions { method?: string | OAuthMethod; account?: string; scopes?: readonly string[]; signal?: AbortSignal }

/** What a company's gateway offers at `/.well-known/graft`. */
export interface Gateway { url: string; /** The integration whose credential opens it. */ provider: string; name: string; method: KeyMethod | OAuthMethod; /** Which providers are reached through it. */ providers: string[] }

/** `problems`: what is wrong with it or with where it is kept. `shadowed`: the variable that hides it. `refresh`: who gets a new one when it ends. */
export interface CredentialReport extends CredentialInfo { shadowed?: string; mode?: string; refresh: string; problems: string[] }

/**
 * Credentials of any integration. What is in the environment comes before what is kept. Errors (`code`): `auth.invalid`,
 * `auth.unknown` (no such account, method or login), `auth.unreadable`, `auth.unwritable`, `auth.busy`, `auth.keychain`,
 * `auth.command`, `auth.file`, `auth.gateway`, `auth.login` (refused, or too late), `auth.revoked` (log in again), `auth.unreachable`.
 */
export interface Auth {
  /** The active one, good for use now: refreshed when it is about to end, its command run, its file read. `own`: methods of a plugin that is only coming up, whose rows count from its commit on. */
  get(provider: string, own?: readonly AuthMethod[]): Promise<Credential | undefined>
  /** What `get` would give, without asking, running or refreshing anything. Rejects where it is known that it cannot be used. */
  peek(provider: string, own?: readonly AuthMethod[]): Promise<CredentialInfo | undefined>
  /** Keeps it as `account` (default: "default"), which becomes the active one. A string is a key. */
  set(provider: string, credential: string | NewCredential, account?: string): Promise<CredentialInfo>
  /** Without an account: all of the integration. False when there was none. */
  remove(provider: string, account?: string): Promise<boolean>
  /** Makes one of several the active one, at once and in every process. */
  switch(provider: string, account: string): Promise<CredentialInfo>
  list(): Promise<CredentialInfo[]>
  methods(): Promise<AuthMethod[]>
  /** An OAuth login, step by step; its last step is `done`. Ends after ten minutes at most. */
  login(provider: string, options?: LoginOptions): AsyncIterable<LoginStep>
  /** The address at which the browser ended, or the code that it showed. */
  answer(login: string, pasted: string): Promise<void>
  /** What was given is refused by whom it was for: it is refreshed, run or read anew, once however many ask. `secret`: what was refused; another one that has come since is kept. */
  renew(provider: string, secret?: string): Promise<CredentialInfo | undefined>
  gateway(url: string): Promise<Gateway>
  /** Every credential: where it lies, who can read it, when it ends. Tries nothing at a vendor's. */
  inspect(): Promise<CredentialReport[]>
  /** Brings all into the store that the config names now. Gives how many were moved. */
  move(): Promise<number>
}

/** Where secrets can be kept instead of the file; the last row is used, else the system's own. Rejects where it cannot be had. */
export interface Keychain { id: string; get(account: string): Promise<string | undefined>; set(account: string, secret: string): Promise<void>; delete(account: string): Promise<void> }

declare module "graft" {
  interface Services { auth: Auth }
  interface Slots { authMethod: AuthMethod; keychain: Keychain }
  interface Events {
    "auth.added": Notify<CredentialInfo>
    /** Another secret, or it has become the active one. */
    "auth.updated": Notify<CredentialInfo>
    "auth.removed": Notify<{ provider: string; account: string }>
    /** The same login goes on with another token. */
    "auth.refreshed": Notify<CredentialInfo>
    /** It cannot be used any more, or not now; `message` says what to do. Told once until it works again. */
    "auth.failed": Notify<{ provider: string; account: string; code: string; message: string }>
  }
}
