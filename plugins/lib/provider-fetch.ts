/**
 * `fetch` as providers use it: through the proxies of the environment; a redirect is an error, because the key that goes
 * along belongs to the host that was configured; and what an endpoint says of a failure is bounded, and holds nothing of
 * the headers that were sent.
 */
import { followEnvironment } from "./network.ts"

const MOST_BYTES = 64 * 1024
/** Headers whose values are no secret: everything else that was sent is taken out of what comes back. */
const PLAIN = new Set(["accept", "content-type", "user-agent", "anthropic-version", "anthropic-beta"])

/** Told to the request's own signal when it is on its way. */
export const SENT = "graft.sent"

export const providerFetch: typeof fetch = async (input, init) => {
  followEnvironment(input instanceof Request ? input.url : String(input))
  const answer = fetch(input, { ...init, redirect: "manual" })
  init?.signal?.dispatchEvent(new Event(SENT))
  const response = await answer
  if (response.ok) return response
  const location = response.status < 400 ? response.headers.get("location") : null
  const text = location === null ? withoutSecrets(await textOf(response, MOST_BYTES), init?.headers) : redirected(location, String(input instanceof Request ? input.url : input))
  const headers = new Headers(response.headers)
  for (const name of ["content-encoding", "content-length"]) headers.delete(name)
  // A 304 that nobody asked for can have no text.
  return new Response(text, { status: response.status === 304 ? 502 : response.status, statusText: response.statusText, headers })
}

/** The beginning of a body; the rest is not read. */
export async function textOf(response: Response, most: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let left = most
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk.subarray(0, left))
    if ((left -= chunk.length) <= 0) break
  }
  return Buffer.concat(chunks).toString("utf8")
}

function withoutSecrets(text: string, headers: RequestInit["headers"]): string {
  let clean = text
  for (const [name, value] of new Headers(headers)) {
    for (const secret of PLAIN.has(name) ? [] : [value, value.replace(/^\w+\s+/, "")]) if (secret.length >= 6) clean = clean.replaceAll(secret, "[redacted]")
  }
  return clean
}

/** In the shape in which every vendor writes its errors. */
function redirected(location: string, from: string): string {
  const to = URL.canParse(location, from) ? new URL(location, from) : undefined
  return JSON.stringify({ type: "error", error: { type: "redirect", message: `it redirects to ${to ? `${to.origin}${to.pathname}` : "another place"}; if that is right, write it into the config` } })
}
