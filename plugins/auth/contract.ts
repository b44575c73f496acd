import type { Notify } from "graft"

/** What a provider can be logged in with. Contributed by the provider's plugin. */
export interface AuthMethod { id: string; /** The integration, e.g. "anthropic". */ provider: string; kind: "key"; label: string; /** Environment variables that hold it, in order. */ env: readonly string[]; /** Where a person gets one. */ url?: string }

/** Never leaves this process, never logged, never in an event. */
export interface Credential { provider: string; kind: "key"; secret: string; source: "env" | "file"; name: string }
export interface CredentialInfo { provider: string; kind: "key"; source: "env" | "file"; /** Variable or file; never the secret. */ name: string; hint: string }

export interface Auth {
  /** `own`: methods of a plugin that is only coming up, whose rows count from its commit on. */
  get(provider: string, own?: readonly AuthMethod[]): Promise<Credential | undefined>
  set(provider: string, secret: string): Promise<CredentialInfo>
  remove(provider: string): Promise<boolean>
  list(): Promise<CredentialInfo[]>
  methods(): Promise<AuthMethod[]>
}

declare module "graft" {
  interface Services { auth: Auth }
  interface Slots { authMethod: AuthMethod }
  interface Events {
    "auth.added": Notify<CredentialInfo>
    "auth.updated": Notify<CredentialInfo>
    "auth.removed": Notify<{ provider: string }>
  }
}
