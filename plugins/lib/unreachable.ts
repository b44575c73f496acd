/** Why nothing could be reached, in words: from the codes of the system, of Node's fetch and of TLS, wherever in the causes of an error they are. */

export interface Unreachable { code: string; says: string; /** It may go by itself. */ passes: boolean; /** Nothing of the request can have arrived: there was no connection. */ unsent: boolean }

/** A connection that was there, and broke. */
const BROKE: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT", "ETIMEDOUT"])

const LATE = "it did not answer in time"
const STRANGER = "its certificate is not known; name your authority's file in NODE_EXTRA_CA_CERTS or SSL_CERT_FILE"

const PASSING: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there; is the server running?",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was reset",
  UND_ERR_SOCKET: "the connection was closed before an answer",
  ENOTFOUND: "its name is not known; is the URL right, and is there a network?",
  EAI_AGAIN: "its name could not be looked up; is there a network?",
  ETIMEDOUT: LATE,
  UND_ERR_CONNECT_TIMEOUT: LATE,
  UND_ERR_HEADERS_TIMEOUT: LATE,
  UND_ERR_BODY_TIMEOUT: "it went silent",
  EHOSTUNREACH: "there is no way to this host",
  ENETUNREACH: "there is no way to this network",
  ENETDOWN: "the network is down",
}

const LASTING: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: STRANGER,
  SELF_SIGNED_CERT_IN_CHAIN: STRANGER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: STRANGER,
  UNABLE_TO_GET_ISSUER_CERT: STRANGER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: STRANGER,
  CERT_HAS_EXPIRED: "its certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
}

/** Others of their kind, said as they are. */
const OTHERS = /^(UND_ERR_(?!ABORTED|INVALID)|ERR_SSL|ERR_TLS|CERT_|HPE_|EPROTO$)/

/** Undefined where it was not the way there that failed. */
export function unreachable(thrown: unknown): Unreachable | undefined {
  for (const { code, message } of causesOf(thrown)) {
    if (typeof code !== "string") continue
    if (Object.hasOwn(PASSING, code)) return { code, says: `${PASSING[code]} (${code})`, passes: true, unsent: !BROKE.has(code) }
    if (Object.hasOwn(LASTING, code)) return { code, says: `${LASTING[code]} (${code})`, passes: false, unsent: true }
    if (OTHERS.test(code)) return { code, says: `${String(message)} (${code})`, passes: true, unsent: /^(ERR_SSL|ERR_TLS|CERT_|EPROTO$)/.test(code) }
    // What the environment says of proxies and certificates cannot be followed.
    if (code.startsWith("network.")) return { code, says: String(message), passes: false, unsent: true }
  }
  return undefined
}

/** An error and what caused it, outermost first. */
export function* causesOf(thrown: unknown): Generator<Readonly<Record<string, unknown>>> {
  for (let at = thrown, depth = 0; typeof at === "object" && at !== null && depth < 6; at = (at as { cause?: unknown }).cause, depth++) yield at as Record<string, unknown>
}
