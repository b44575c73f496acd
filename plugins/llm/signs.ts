/**
 * What tells one failure from another: the words, codes and numbers that vendors and local servers put into their errors.
 * Data, in the order in which they are tried; a new vendor's way of saying it is one more line here.
 */

export interface Sign { code: "llm.overflow" | "llm.quota" | "llm.rate-limit" | "llm.auth" | "llm.server"; /** Matched against `code` and `type` of the error. */ name?: RegExp; /** Matched against what it says. */ text?: RegExp; status?: readonly number[] }

export const SIGNS: readonly Sign[] = [
  // More than a whole minute's allowance: it would never pass. Otherwise an allowance is no context, though its errors speak of tokens too.
  { code: "llm.overflow", text: /request too large for/i, status: [413, 429] },
  { code: "llm.rate-limit", text: /tokens per (minute|day|hour)|requests per (minute|day|hour)|\b[RT]P[MD]\b/i, status: [429] },
  { code: "llm.quota", name: /insufficient_quota|billing|credit|quota_exceeded/i },
  { code: "llm.quota", text: /credit balance is too low|insufficient (balance|credit|fund|quota)|billing (hard )?limit|exceeded your current quota, please check your plan|specified api usage limits|payment required|out of credits/i },
  { code: "llm.quota", status: [402] },
  { code: "llm.overflow", name: /context_length_exceeded|exceed_context_size|context_window_exceeded|request_too_large|string_above_max_length/i },
  { code: "llm.overflow", text: /prompt is too long|maximum (context|prompt) length|exceeds? the (available |model'?s? ?)?(context|maximum number of (input )?tokens)|context (window|length|size|limit)[^.]{0,40}(exceed|overflow|too)|exceed[^.]{0,40}(context (window|length|size|limit)|token limit)|input (is too long|token count[^.]{0,40}exceeds)|prompt token count[^.]{0,40}exceeds|too large for model with|reduce the length of|longer than the context|greater than the context length|context the overflows/i },
  { code: "llm.overflow", status: [413] },
  { code: "llm.auth", name: /authentication|permission_error|permission_denied|invalid_api_key|unauthorized/i },
  { code: "llm.auth", status: [401, 403] },
  { code: "llm.rate-limit", name: /rate_limit|resource_exhausted|too_many_requests/i },
  { code: "llm.rate-limit", status: [429] },
  { code: "llm.server", name: /overloaded|server_error|api_error|internal|unavailable|slow_down|timeout/i },
  { code: "llm.server", status: [408] },
]

/** The first sign that fits, or by the status alone; an error inside a stream that was accepted is the server's. */
export function codeOf({ status, names, text }: { status?: number; names: string; text: string }): Sign["code"] | "llm.request" {
  const sign = SIGNS.find((each) => (each.name?.test(names) ?? true) && (each.text?.test(text) ?? true) && (each.status === undefined || (status !== undefined && each.status.includes(status))))
  if (sign) return sign.code
  return status === undefined || status < 300 || status >= 500 ? (/invalid|not_found|bad_request|unsupported/i.test(names) ? "llm.request" : "llm.server") : "llm.request"
}

/** Why nothing could be reached, in words; `passes`: it may go by itself. */
export const NETWORK: Readonly<Record<string, { says: string; passes: boolean }>> = {
  ECONNREFUSED: { says: "nobody listens there; is the server running?", passes: true },
  ECONNRESET: { says: "the connection was reset", passes: true },
  EPIPE: { says: "the connection was reset", passes: true },
  UND_ERR_SOCKET: { says: "the connection was closed before an answer", passes: true },
  ENOTFOUND: { says: "its name is not known; is the URL right, and is there a network?", passes: true },
  EAI_AGAIN: { says: "its name could not be looked up; is there a network?", passes: true },
  ETIMEDOUT: { says: "it did not answer in time", passes: true },
  UND_ERR_CONNECT_TIMEOUT: { says: "it did not answer in time", passes: true },
  UND_ERR_HEADERS_TIMEOUT: { says: "it did not answer in time", passes: true },
  UND_ERR_BODY_TIMEOUT: { says: "it went silent", passes: true },
  EHOSTUNREACH: { says: "there is no way to this host", passes: true },
  ENETUNREACH: { says: "there is no way to this network", passes: true },
  ENETDOWN: { says: "the network is down", passes: true },
  ...Object.fromEntries(["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_GET_ISSUER_CERT"].map((code) => [code, { says: "its certificate is not known; name your authority's file in NODE_EXTRA_CA_CERTS or SSL_CERT_FILE", passes: false }])),
  CERT_HAS_EXPIRED: { says: "its certificate has expired", passes: false },
  ERR_TLS_CERT_ALTNAME_INVALID: { says: "its certificate is for another host", passes: false },
  "network.proxy": { says: "", passes: false },
  "network.certificates": { says: "", passes: false },
  "network.node": { says: "", passes: false },
}
