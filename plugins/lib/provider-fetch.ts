/**
 * `fetch` as providers use it: through the proxies of the environment; a redirect is an error, because the key that goes
 * along belongs to the host that was configured; and what an endpoint says of a failure is bounded, and holds nothing of
 * the headers that were sent.
 */
import { answerOf, httpFetch, type Sent } from "./http-fetch.ts"
import { followEnvironment } from "./network.ts"

const MOST_BYTES = 64 * 1024
/** Headers whose values are no secret: everything else that was sent is taken out of what comes back. */
const PLAIN = new Set(["accept", "content-type", "user-agent", "anthropic-version", "anthropic-beta"])

/** Told to the request's own signal when it is on its way. */
export const SENT = "graft.sent"

export const providerFetch: typeof fetch = async (input, init) => {
  const url = typeof input === "object" && "url" in input ? input.url : String(input)
  followEnvironment(url)
  const answer = isPlain(input, init) ? httpFetch(url, init) : fetch(input, { ...init, redirect: "manual" })
  init?.signal?.dispatchEvent(new Event(SENT))
  const response = await answer
  if (response.ok) return response
  const location = response.status < 400 ? response.headers.get("location") : null
  const text = location === null ? withoutSecrets(await textOf(response, MOST_BYTES), init?.headers) : redirected(location, url)
  const headers = new Headers(response.headers)
  for (const name of ["content-encoding", "content-length"]) headers.delete(name)
  // A 304 that nobody asked for can have no text.
  return new Response(text, { status: response.status === 304 ? 502 : response.status, statusText: response.statusText, headers })
}

export interface Manner {
  /** Who is spoken to, for the message. */
  provider: string
  /** What a whole reply has said before it ends; a body that ends without it broke off, whatever the SDK makes of that. */
  end?: RegExp
  /** Fields that are added to each request. */
  body?: Readonly<Record<string, unknown>> | undefined
}

export const fetchAs = ({ provider, end, body }: Manner): typeof fetch => async (input, init) => {
  const response = await providerFetch(input, body && typeof init?.body === "string" ? { ...init, body: JSON.stringify({ ...(JSON.parse(init.body) as object), ...body }) } : init)
  if (!end || !response.ok || !response.body || !/event-?stream/.test(response.headers.get("content-type") ?? "")) return response
  return answerOf(response, whole(response.body, end, provider))
}

/** Longer than any end that is looked for, and any mark of it that two chunks share. */
const OVERLAP = 64

function whole(body: ReadableStream<Uint8Array>, end: RegExp, provider: string): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  let before = ""
  let said = false
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (done && !said) throw Object.assign(new Error(`${provider}: the stream broke off before the reply was whole`), { code: "llm.cut", retryable: true })
      if (done) return controller.close()
      if (!said) {
        const text = before + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1")
        said = end.test(text)
        before = text.slice(-OVERLAP)
      }
      controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 })
}

/** Text with a few headers, as nearly every request is: files and forms take the long way. */
function isPlain(input: string | URL | Request, init: RequestInit = {}): init is Sent {
  const { body, headers = {} } = init
  return (typeof input === "string" || input instanceof URL) && (body === undefined || body === null || typeof body === "string") && !(Symbol.iterator in headers)
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
