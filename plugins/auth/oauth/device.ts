/** A login on another device (RFC 8628): a code is typed there, and asked about here, as often as the server allows. */
import type { OAuthMethod } from "../contract.ts"
import type { OAuthEntry } from "../kept/entries.ts"
import { AuthError } from "../errors.ts"
import type { Found } from "./discovery.ts"
import { library, options, reasonOf, refusalOf, safeUrl } from "./requests.ts"
import { clientOf, entryOf } from "./tokens.ts"

export interface Device { url: string; code: string; complete?: string; /** ms since the epoch. */ expires: number; finish(): Promise<OAuthEntry> }

/** s, where the server does not say; and how much more once it asks for it. */
const INTERVAL = 5
const SLOWER = 5

export async function beginDevice(method: OAuthMethod, { server, resource, scopes: asked }: Found, wait: (milliseconds: number) => Promise<void>, now: () => number, scopes: readonly string[] | undefined, signal: AbortSignal): Promise<Device> {
  const oauth = await library()
  if (!server.device_authorization_endpoint || !server.token_endpoint) throw new AuthError("auth.login", `${server.issuer} offers no login on another device`)
  if (!method.client) throw new AuthError("auth.login", `a login on another device needs a client id, and ${method.id} has none`)
  const registered = method.client
  const { client, auth } = clientOf(oauth, registered)
  const scope = (scopes ?? method.scopes ?? asked)?.join(" ")
  const refused = (error: unknown) => new AuthError("auth.login", `${server.issuer} did not log in to ${method.provider}: ${reasonOf(error, [registered.secret])}; begin again with graft auth login ${method.provider}`)
  const begun = await oauth.deviceAuthorizationRequest(server, client, auth, { ...(scope && { scope }), ...(resource !== undefined && { resource }) }, options(oauth, server.device_authorization_endpoint, signal))
    .then((response) => oauth.processDeviceAuthorizationResponse(server, client, response)).catch((error: unknown) => { throw refused(error) })
  const expires = now() + begun.expires_in * 1_000

  async function finish(): Promise<OAuthEntry> {
    const started = performance.now()
    for (let interval = Math.max(1, begun.interval ?? INTERVAL); ; ) {
      await wait(interval * 1_000)
      signal.throwIfAborted()
      if (performance.now() - started > begun.expires_in * 1_000) throw new AuthError("auth.login", `the code for ${method.provider} was not used in time; begin again with graft auth login ${method.provider}`)
      try {
        const response = await oauth.deviceCodeGrantRequest(server, client, auth, begun.device_code, options(oauth, server.token_endpoint!, signal))
        return entryOf({ server, client: registered, ...(resource !== undefined && { resource }), now: now() }, await oauth.processDeviceCodeResponse(server, client, response))
      } catch (error) {
        const refusal = refusalOf(error)
        if (refusal?.code === "slow_down") interval += SLOWER
        // A network that hiccups while a person types is waited for, as long as the code is good.
        else if (refusal && refusal.code !== "authorization_pending") throw refused(error)
      }
    }
  }

  return { url: safeUrl(begun.verification_uri, "where the code is to be typed").href, code: begun.user_code, expires, finish, ...(begun.verification_uri_complete && { complete: safeUrl(begun.verification_uri_complete, "where the code is to be typed").href }) }
}
