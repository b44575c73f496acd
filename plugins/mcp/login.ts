/** How somebody logs in to a server at an address: a way for `auth`, made of what the config and the server's refusals say. */
import { isDeepStrictEqual } from "node:util"
import type { Graft, Remove } from "graft"
import type { OAuthMethod } from "../auth/contract.ts"
import { integrationOf, type Challenge, type Keys } from "./connection/bearer.ts"
import type { Configured } from "./wanted.ts"

export class Login implements Keys {
  readonly integration: string
  readonly #graft: Graft<never>
  readonly #method: OAuthMethod
  #challenge: Challenge = {}
  #row: Remove | undefined

  /** `client`: as the config names it, with what its references stand for. */
  constructor(graft: Graft<never>, name: string, url: URL, { oauth }: Pick<Configured, "oauth">, client: OAuthMethod["client"]) {
    this.#graft = graft
    this.integration = integrationOf(url)
    this.#method = {
      id: this.integration, provider: this.integration, kind: "oauth", label: `MCP server "${name}"`, env: [], resource: url.href,
      ...(client && { client }), ...(oauth?.scopes && { scopes: oauth.scopes }), ...(oauth?.port !== undefined && { redirect: { port: oauth.port } }),
    }
    this.#offer()
  }

  get method(): OAuthMethod { return { ...this.#method, ...(this.#challenge.metadata && { metadata: this.#challenge.metadata }), ...(!this.#method.scopes && this.#challenge.scopes && { scopes: this.#challenge.scopes }) } }

  async token(): Promise<string | undefined> {
    // Without one, the server says that it wants one.
    return (await this.#graft.auth.get(this.integration, [this.method]).catch(() => undefined))?.secret
  }

  async renew(refused: string): Promise<string | undefined> {
    return (await this.#graft.auth.renew(this.integration, refused).catch(() => undefined)) && this.token().catch(() => undefined)
  }

  challenged(challenge: Challenge): void {
    const next = { ...this.#challenge, ...challenge }
    if (isDeepStrictEqual(next, this.#challenge)) return
    this.#challenge = next
    this.#offer()
  }

  end(): void {
    this.#row?.()
    this.#row = undefined
  }

  #offer(): void {
    if (this.#graft.retiring.aborted) return
    const row = this.#graft.add("authMethod", this.method)
    this.#row?.()
    this.#row = row
  }
}
