/**
 * Which authorization server a login is at, and what it can: from the method's endpoints, from an issuer's metadata (RFC
 * 8414, OpenID Connect), or from the resource that is to be used (RFC 9728), whose server may know nothing of all this.
 */
import type { AuthorizationServer } from "oauth4webapi"
import type { OAuthMethod } from "../contract.ts"
import { AuthError } from "../errors.ts"
import { documentAt, reasonOf, safeUrl } from "./requests.ts"

/** `scopes`: what the resource asks for, where the method says nothing. */
export interface Found { server: AuthorizationServer; resource?: string; scopes?: readonly string[] }

export async function discover(method: OAuthMethod, signal?: AbortSignal): Promise<Found> {
  const { endpoints, issuer, resource } = method
  if (endpoints?.token !== undefined) return { server: written(method), ...(resource && { resource }) }
  if (resource !== undefined) return ofResource(method, resource, signal)
  if (issuer === undefined) throw new AuthError("auth.login", `${method.id} says neither an issuer nor a resource nor endpoints: its plugin has to`)
  const server = await ofIssuer(issuer, signal)
  if (!server) throw new AuthError("auth.login", `${issuer} says nothing of how one logs in there (no OAuth metadata)`)
  return { server: over(server, endpoints) }
}

function written({ provider, issuer, endpoints = {} }: OAuthMethod): AuthorizationServer {
  for (const [name, url] of Object.entries(endpoints)) if (url !== undefined) safeUrl(url, `the ${name} endpoint of ${provider}`)
  return over({ issuer: issuer ?? new URL(endpoints.token!).origin }, endpoints)
}

function over(server: AuthorizationServer, { authorize, token, device, register }: NonNullable<OAuthMethod["endpoints"]> = {}): AuthorizationServer {
  return {
    ...server,
    ...(authorize && { authorization_endpoint: authorize }), ...(token && { token_endpoint: token }),
    ...(device && { device_authorization_endpoint: device }), ...(register && { registration_endpoint: register }),
  }
}

async function ofResource({ metadata, endpoints }: OAuthMethod, resource: string, signal?: AbortSignal): Promise<Found> {
  const url = safeUrl(resource, "the resource")
  const said = await resourceMetadata(url, metadata, signal)
  const issuer = said.authorization_servers[0] ?? url.origin
  // What a server of the first protocol does without saying so (MCP 2025-03-26, 2.3.3).
  const server = (await ofIssuer(issuer, signal)) ?? { issuer, authorization_endpoint: `${url.origin}/authorize`, token_endpoint: `${url.origin}/token`, registration_endpoint: `${url.origin}/register` }
  return { server: over(server, endpoints), resource: said.resource ?? resource, ...(said.scopes && { scopes: said.scopes }) }
}

/** Below its path or at the root of its host; a document about another resource is none. */
async function resourceMetadata(url: URL, metadata: string | undefined, signal?: AbortSignal): Promise<{ authorization_servers: string[]; resource?: string; scopes?: string[] }> {
  const path = url.pathname.replace(/\/$/, "")
  const places = [...(metadata === undefined ? [] : [metadata]), `${url.origin}/.well-known/oauth-protected-resource${path}`, `${url.origin}/.well-known/oauth-protected-resource`]
  for (const place of new Set(places)) {
    const said = await document(safeUrl(place, "the resource's metadata"), signal)
    if (!said || typeof said.resource !== "string" || !covers(said.resource, url)) continue
    return { authorization_servers: texts(said.authorization_servers), resource: said.resource, ...(Array.isArray(said.scopes_supported) && { scopes: texts(said.scopes_supported) }) }
  }
  return { authorization_servers: [] }
}

function covers(resource: string, url: URL): boolean {
  const whole = URL.parse(resource)
  return whole !== null && whole.origin === url.origin && `${url.pathname}/`.startsWith(`${whole.pathname.replace(/\/$/, "")}/`)
}

async function ofIssuer(issuer: string, signal?: AbortSignal): Promise<AuthorizationServer | undefined> {
  const url = safeUrl(issuer, "the issuer")
  const path = url.pathname.replace(/\/$/, "")
  const places = [`/.well-known/oauth-authorization-server${path}`, `/.well-known/openid-configuration${path}`, ...(path ? [`${path}/.well-known/openid-configuration`] : [])]
  for (const place of places) {
    const said = await document(new URL(place, url), signal)
    if (!said) continue
    if (typeof said.issuer !== "string" || withoutSlash(said.issuer) !== withoutSlash(url.href)) throw new AuthError("auth.login", `${url.origin}${place} speaks for another issuer than ${issuer}`)
    const server = said as unknown as AuthorizationServer
    for (const name of ["authorization_endpoint", "token_endpoint", "registration_endpoint", "device_authorization_endpoint"] as const) if (server[name] !== undefined) safeUrl(String(server[name]), `the ${name} of ${issuer}`)
    if (server.code_challenge_methods_supported && !server.code_challenge_methods_supported.includes("S256")) throw new AuthError("auth.login", `${issuer} does not know PKCE with S256, and without it no login is made`)
    return server
  }
  return undefined
}

const withoutSlash = (text: string): string => text.replace(/\/$/, "")
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((each): each is string => typeof each === "string").slice(0, 100) : [])

/** Undefined where there is no such document; rejects where nobody can be reached. */
async function document(url: URL, signal?: AbortSignal): Promise<Record<string, unknown> | undefined> {
  try {
    return await documentAt(url, signal)
  } catch (error) {
    throw new AuthError("auth.unreachable", `${url.origin} cannot be asked how one logs in: ${reasonOf(error)}`)
  }
}
