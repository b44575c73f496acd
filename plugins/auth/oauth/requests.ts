/**
 * How authorization servers are spoken to: over HTTPS (or on this machine), bounded in time and bytes, without redirects;
 * and what their answers mean. Whatever of them goes into an error is short, and holds nothing that was sent.
 */
import type { HttpRequestOptions } from "oauth4webapi"
import { messageOf } from "graft"
import { isLoopback } from "../../lib/loopback.ts"
import { providerFetch, textOf } from "../../lib/provider-fetch.ts"
import { unreachable } from "../../lib/unreachable.ts"
import { AuthError } from "../errors.ts"

export type Library = typeof import("oauth4webapi")
export const library = (): Promise<Library> => import("oauth4webapi")

/** ms and bytes of one answer. */
const DEADLINE = 20_000
const MOST_BYTES = 256 * 1024

export const isOwn = ({ protocol, hostname }: URL): boolean => protocol === "http:" && isLoopback(hostname)

/** Plain HTTP is for this machine alone. */
export function safeUrl(text: string, what: string): URL {
  const url = URL.parse(text)
  if (!url || (url.protocol !== "https:" && !isOwn(url))) throw new AuthError("auth.login", `${what} is no https address`)
  return url
}

const soon = (signal: AbortSignal | undefined): AbortSignal => AbortSignal.any([AbortSignal.timeout(DEADLINE), ...(signal ? [signal] : [])])

export function options<Body>({ allowInsecureRequests, customFetch }: Library, url: string, signal?: AbortSignal): HttpRequestOptions<"POST", Body> {
  return { [allowInsecureRequests]: isOwn(new URL(url)), [customFetch]: ask, signal: soon(signal) }
}

/** A document, or undefined where there is none. */
export async function documentAt(url: URL, signal?: AbortSignal): Promise<Record<string, unknown> | undefined> {
  const response = await ask(url.href, { method: "GET", headers: {}, signal: soon(signal) })
  return response.ok ? parsed(await response.text()) : undefined
}

/** Some servers say in a 200 that they refuse (GitHub), or leave out what the standard asks for. */
async function ask(url: string, { method, headers, body, signal }: { method: string; headers: Record<string, string>; body?: unknown; signal?: AbortSignal | undefined }): Promise<Response> {
  const sent = body === undefined || body === null ? undefined : String(body)
  const response = await providerFetch(url, { method, headers: { ...headers, accept: "application/json", ...(body instanceof URLSearchParams && { "content-type": "application/x-www-form-urlencoded;charset=UTF-8" }) }, ...(sent !== undefined && { body: sent }), ...(signal && { signal }) })
  const text = await textOf(response, MOST_BYTES)
  const said = parsed(text)
  if (said === undefined) return new Response(text, { status: response.status, headers: { "content-type": response.headers.get("content-type") ?? "text/plain" } })
  const { id_token: _, ...rest } = said
  const status = response.status === 200 && typeof said.error === "string" ? 400 : response.status
  const full = typeof rest.access_token === "string" ? { token_type: "bearer", ...rest, ...(rest.expires_in !== undefined && { expires_in: Number(rest.expires_in) }) } : rest
  return new Response(JSON.stringify(full), { status, headers: { "content-type": "application/json" } })
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const said: unknown = JSON.parse(text)
    return typeof said === "object" && said !== null && !Array.isArray(said) ? (said as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The login itself is over, or the client is refused: asking again is of no use. */
const FINAL = new Set(["invalid_grant", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "access_denied", "expired_token"])

/** The `error` of OAuth (RFC 6749, 5.2), where the answer is one. */
export function refusalOf(error: unknown): { code: string; final: boolean; says: string } | undefined {
  const { error: code, error_description: text, status } = error as { error?: unknown; error_description?: unknown; status?: number }
  if (typeof code !== "string") return undefined
  return { code, final: FINAL.has(code) && (status === undefined || status < 500), says: `${short(code)}${typeof text === "string" && text ? `: ${short(text)}` : ""}` }
}

/** Why a request to an authorization server came to nothing, in words. `secrets`: what was sent. */
export function reasonOf(error: unknown, secrets: readonly (string | undefined)[] = []): string {
  const { cause, name } = error as { cause?: unknown; name?: string }
  const answer = [cause, (cause as { response?: unknown } | undefined)?.response].find((each) => each instanceof Response)
  const says = refusalOf(error)?.says ?? unreachable(error)?.says ?? (name === "TimeoutError" ? `no answer within ${DEADLINE / 1_000} s` : answer ? `it answered ${answer.status}, and not as such a server does` : short(messageOf(error)))
  return secrets.reduce<string>((clean, secret) => (secret && secret.length >= 6 ? clean.replaceAll(secret, "[redacted]") : clean), says)
}

const short = (text: string): string => text.replace(/[\p{Cc}\s]+/gu, " ").slice(0, 200)
