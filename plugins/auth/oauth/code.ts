/** A login in a browser (RFC 6749, 4.1, with PKCE): it comes back to loopback by itself, or what it ended at is pasted. */
import { AuthError } from "../errors.ts"
import type { OAuthMethod } from "../contract.ts"
import type { OAuthEntry } from "../kept/entries.ts"
import type { Found } from "./discovery.ts"
import { library, options, reasonOf, type Library } from "./requests.ts"
import { clientOf, entryOf, register, type Registered } from "./tokens.ts"

export interface Begun { url: string; /** Takes what came back: a query, a whole address, or only the code. */ finish(pasted: string): Promise<OAuthEntry>; state: string }

export async function beginCode(method: OAuthMethod, found: Found, redirect: string, state: string, now: () => number, scopes: readonly string[] | undefined, signal?: AbortSignal): Promise<Begun> {
  const oauth = await library()
  const { server, resource } = found
  if (!server.authorization_endpoint || !server.token_endpoint) throw new AuthError("auth.login", `${server.issuer} offers no login in a browser`)
  const client = method.client ?? (await register(server, redirect, signal))
  const verifier = oauth.generateRandomCodeVerifier()
  const scope = (scopes ?? method.scopes ?? found.scopes)?.join(" ")
  const url = new URL(server.authorization_endpoint)
  for (const [name, value] of Object.entries({
    ...method.extra, response_type: "code", client_id: client.id, redirect_uri: redirect, state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    ...(scope && { scope }), ...(resource !== undefined && { resource }),
  })) url.searchParams.set(name, value)
  return { url: url.href, state, finish: (pasted) => exchange(oauth, { method, found, client, redirect, state, verifier, now }, pasted, signal) }
}

interface Exchange { method: OAuthMethod; found: Found; client: Registered; redirect: string; state: string; verifier: string; now: () => number }

async function exchange(oauth: Library, { method, found: { server, resource }, client: registered, redirect, state, verifier, now }: Exchange, pasted: string, signal?: AbortSignal): Promise<OAuthEntry> {
  const { client, auth } = clientOf(oauth, registered)
  const query = queryOf(pasted, state, server.issuer, server.authorization_response_iss_parameter_supported === true)
  // Whose endpoints are written has no name that could be compared.
  if (method.issuer === undefined && method.resource === undefined) query.delete("iss")
  try {
    const checked = oauth.validateAuthResponse(server, client, query, state)
    const more = resource === undefined ? {} : { additionalParameters: { resource } }
    const response = await oauth.authorizationCodeGrantRequest(server, client, auth, checked, redirect, verifier, { ...options(oauth, server.token_endpoint!, signal), ...more })
    const said = await oauth.processAuthorizationCodeResponse(server, client, response)
    return entryOf({ server, client: registered, ...(resource !== undefined && { resource }), now: now() }, said)
  } catch (error) {
    throw new AuthError("auth.login", `${server.issuer} did not log in to ${method.provider}: ${reasonOf(error, [verifier, query.get("code") ?? undefined, registered.secret])}; begin again with graft auth login ${method.provider}`)
  }
}

/** A person copies an address, its query, "code#state", or the code alone; then the verifier has to be enough. */
export function queryOf(pasted: string, state: string, issuer: string, withIssuer: boolean): URLSearchParams {
  const text = pasted.trim()
  const mark = text.indexOf("?")
  if (mark >= 0 || /(^|&)(code|error)=/.test(text)) return new URLSearchParams(text.slice(mark + 1).split("#")[0])
  const [code = "", given = state] = text.split("#")
  return new URLSearchParams({ code, state: given, ...(withIssuer && { iss: issuer }) })
}
