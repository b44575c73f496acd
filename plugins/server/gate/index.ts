/**
 * Who may come in over HTTP, decided before a byte of the body is read: the right name (no DNS rebinding), no foreign page,
 * not too often, and with the token. In that order, so that a page learns nothing, not even whether a token is right.
 */
import type { IncomingMessage } from "node:http"
import type { Graft } from "graft"
import type { Gate, Refusal } from "../contract.ts"
import { limitsOf, settingsOf, type ServerSettings } from "../section.ts"
import { isGranted, isOurs, isSame } from "./origin.ts"
import { Rate } from "./rate.ts"
import { Token, tokenFile } from "./token.ts"

/** Seconds for which a browser remembers what a preflight granted. */
const PREFLIGHT = "600"
const READABLE = "retry-after, x-graft-version, x-graft-protocol"

/** Follows the config from then on. `host`: the name it listens on, which is one of its names. */
export async function createGate(graft: Graft, host?: string): Promise<Gate> {
  const token = new Token(tokenFile(graft.kernel.host.dataDir))
  await token.value()
  let policy = makePolicy(await settingsOf(graft), token, host)
  graft.on("config.changed", async ({ paths }) => {
    if (paths.some((path) => path.split(".")[0] === "server")) policy = makePolicy(await settingsOf(graft), token, host)
  })
  return {
    admit: (request) => policy.admit(request),
    headers: (request) => policy.headers(request),
    token: () => token.value(),
    get limits() { return policy.limits },
  }
}

export function makePolicy(settings: ServerSettings, token: Pick<Token, "accepts">, host?: string, now?: () => number): Omit<Gate, "token"> {
  const limits = limitsOf(settings)
  const rate = new Rate(limits.rate, now)
  const granted = settings.cors ?? []
  const names = [...(settings.hosts ?? []), ...(host === undefined ? [] : [host])]

  return {
    limits,
    admit(request) {
      const { headers, socket } = request
      if (!isOurs(headers.host, socket.localAddress, names)) return { status: 403, code: "server.host", message: "this server is not known by that name; the config's server.hosts names more", field: "host" }
      if (isForeign(request)) return { status: 403, code: "server.origin", message: "pages of this origin may not call it; the config's server.cors names those that may", field: "origin" }
      const known = token.accepts(tokenOf(headers.authorization))
      // Who has no token uses up nothing of those that have it.
      if (!rate.take(`${known} ${socket.remoteAddress}`)) return { status: 429, code: "server.rate", message: `more than ${limits.rate} requests a second (server.rate in the config)`, headers: { "retry-after": "1" } }
      return known || isPreflight(request) ? undefined : unauthorized(request)
    },
    headers(request) {
      const { origin, host: name } = request.headers
      if (origin === undefined || isSame(origin, name) || !isGranted(origin, granted)) return { vary: "origin" }
      const grant = { vary: "origin", "access-control-allow-origin": origin, "access-control-expose-headers": READABLE }
      if (!isPreflight(request)) return grant
      return { ...grant, "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE", "access-control-allow-headers": "authorization, content-type, last-event-id, x-graft-directory, x-graft-protocol", "access-control-max-age": PREFLIGHT }
    },
  }

  /** A page says its origin with all that could change something; where it says none, a browser says whether the page is another site's. */
  function isForeign({ headers: { origin, host: name, "sec-fetch-site": site } }: IncomingMessage): boolean {
    if (origin !== undefined) return !isSame(origin, name) && !isGranted(origin, granted)
    return site === "cross-site" || site === "same-site"
  }
}

const isPreflight = ({ method, headers }: IncomingMessage): boolean => method === "OPTIONS" && headers.origin !== undefined && headers["access-control-request-method"] !== undefined

/** As a bearer's, or as the password of anybody, which is how a browser asks a person for it. */
function tokenOf(authorization: string | undefined): string {
  const [, scheme, credentials = ""] = /^(bearer|basic) +(\S+)$/i.exec(authorization ?? "") ?? []
  if (scheme === undefined) return ""
  if (scheme.toLowerCase() === "bearer") return credentials
  const pair = Buffer.from(credentials, "base64").toString()
  return pair.slice(pair.indexOf(":") + 1)
}

/** Only who opens a page is asked by the browser; a call just fails. */
function unauthorized({ headers }: IncomingMessage): Refusal {
  const page = headers.accept?.includes("text/html") === true
  return { status: 401, code: "server.token", message: "the token is missing or wrong", field: "authorization", hint: "send authorization: Bearer <token>; `graft server token` prints it", headers: { "www-authenticate": page ? 'Basic realm="graft", charset="UTF-8"' : "Bearer" } }
}
