/**
 * Who asks, for a server at an address: the token of somebody who has logged in goes along with each request to that very
 * address, a refused one is renewed once, and what a refusal says of how to log in is kept.
 */
import type { FetchLike } from "@modelcontextprotocol/client"
import { isLoopback } from "../../lib/loopback.ts"

/** What a 401 or 403 says (RFC 9728 5.1, RFC 6750 3): where the resource is described, and which scopes it wants. */
export interface Challenge { metadata?: string; scopes?: readonly string[] }
export interface Keys {
  token(): Promise<string | undefined>
  /** Another one for one that was refused. */
  renew(refused: string): Promise<string | undefined>
  challenged(challenge: Challenge): void
}

const MOST_SCOPES = 50

/** A token is shown only to whom it is for, and never in the clear to another machine. */
export const bearing = (send: FetchLike, url: URL, current: () => Keys | undefined): FetchLike => async (input, init) => {
  const keys = current()
  const theirs = new URL(String(input)).origin === url.origin && (url.protocol === "https:" || isLoopback(url.hostname))
  if (!keys || !theirs || new Headers(init?.headers).has("authorization")) return send(input, init)
  const token = await keys.token()
  const response = await send(input, carrying(init, token))
  if (response.status !== 401 && response.status !== 403) return response
  keys.challenged(challengeIn(response.headers.get("www-authenticate") ?? ""))
  if (response.status === 403 || token === undefined) return response
  const next = await keys.renew(token)
  if (next === undefined || next === token) return response
  await response.body?.cancel().catch(() => {})
  return send(input, carrying(init, next))
}

function carrying(init: RequestInit | undefined, token: string | undefined): RequestInit | undefined {
  if (token === undefined) return init
  const headers = new Headers(init?.headers)
  headers.set("authorization", `Bearer ${token}`)
  return { ...init, headers }
}

/** `name="value"` pairs behind "Bearer"; what is no address is none. */
export function challengeIn(header: string): Challenge {
  const value = (name: string) => new RegExp(`(?:^|[\\s,])${name}="([^"]{1,2000})"`, "i").exec(header)?.[1]
  const metadata = value("resource_metadata")
  const scopes = value("scope")?.split(/\s+/).filter(Boolean).slice(0, MOST_SCOPES)
  return { ...(metadata !== undefined && URL.canParse(metadata) && { metadata }), ...(scopes && scopes.length > 0 && { scopes }) }
}

/** One login an address, whatever the config calls its server: a name that leads elsewhere tomorrow brings no token there. */
export const integrationOf = ({ host, pathname }: URL): string => `mcp:${host}${pathname}`.replace(/[^\w.@:/-]/g, "_").replace(/\/$/, "").slice(0, 128)
