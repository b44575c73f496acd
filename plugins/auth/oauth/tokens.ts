/** Tokens: had for a code, had for a device, renewed; and the client that they are given to. */
import { randomUUID } from "node:crypto"
import type { AuthorizationServer, Client, ClientAuth, TokenEndpointResponse } from "oauth4webapi"
import type { OAuthEntry } from "../kept/entries.ts"
import { AuthError } from "../errors.ts"
import { library, options, reasonOf, type Library } from "./requests.ts"

export interface Registered { id: string; secret?: string; auth?: "basic" | "post" }

export function clientOf(oauth: Library, { id, secret, auth }: Registered): { client: Client; auth: ClientAuth } {
  const client: Client = { client_id: id }
  if (secret === undefined) return { client, auth: oauth.None() }
  return { client, auth: auth === "basic" ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret) }
}

/** As a public client that comes back to loopback (RFC 7591, RFC 8252). */
export async function register(server: AuthorizationServer, redirect: string, signal?: AbortSignal): Promise<Registered> {
  if (server.registration_endpoint === undefined) throw new AuthError("auth.login", `${server.issuer} takes no client that registers itself: a client id is needed, and its plugin has none`)
  const oauth = await library()
  try {
    const asked = { client_name: "Graft", redirect_uris: [redirect], grant_types: ["authorization_code", "refresh_token"], response_types: ["code"], token_endpoint_auth_method: "none" }
    const client = await oauth.processDynamicClientRegistrationResponse(await oauth.dynamicClientRegistrationRequest(server, asked, options(oauth, server.registration_endpoint, signal)))
    const secret = typeof client.client_secret === "string" ? client.client_secret : undefined
    return { id: client.client_id, ...(secret !== undefined && { secret, auth: client.token_endpoint_auth_method === "client_secret_basic" ? "basic" as const : "post" as const }) }
  } catch (error) {
    throw new AuthError("auth.login", `${server.issuer} does not register a client: ${reasonOf(error)}`)
  }
}

export interface Of { server: AuthorizationServer; client: Registered; resource?: string; now: number }

/** What is kept of an answer of a token endpoint. */
export function entryOf({ server, client, resource, now }: Of, said: TokenEndpointResponse): OAuthEntry {
  return {
    kind: "oauth", login: randomUUID(), issuer: server.issuer, token: server.token_endpoint!, client: client.id,
    ...(client.secret !== undefined && { clientSecret: client.secret, clientAuth: client.auth ?? "post" }),
    ...(resource !== undefined && { resource }),
    ...tokensOf(said, now),
  }
}

function tokensOf({ access_token: access, refresh_token: refresh, expires_in, scope }: TokenEndpointResponse, now: number): Pick<OAuthEntry, "access" | "refresh" | "expires" | "obtained" | "scope"> {
  return { access, obtained: now, ...(refresh !== undefined && { refresh }), ...(expires_in !== undefined && { expires: now + expires_in * 1_000 }), ...(scope !== undefined && { scope }) }
}

/** One request, which nothing but its deadline cuts short: the old token may be void once it was sent. Rejects with what the library says: `refusalOf` and `reasonOf` read it. */
export async function renewed(entry: OAuthEntry, now: () => number): Promise<OAuthEntry> {
  const oauth = await library()
  const server: AuthorizationServer = { issuer: entry.issuer, token_endpoint: entry.token }
  const { client, auth } = clientOf(oauth, { id: entry.client, ...(entry.clientSecret !== undefined && { secret: entry.clientSecret, auth: entry.clientAuth }) })
  const more = entry.resource === undefined ? {} : { additionalParameters: { resource: entry.resource } }
  const response = await oauth.refreshTokenGrantRequest(server, client, auth, entry.refresh!, { ...options(oauth, entry.token), ...more })
  const said = await oauth.processRefreshTokenResponse(server, client, response)
  const { expires: _, failed: __, ...rest } = entry
  // Who sends no other refresh token goes on taking this one.
  return { ...rest, ...tokensOf(said, now()) }
}
