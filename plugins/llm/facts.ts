/**
 * What can be learnt of a thrown thing: which kind of failure it is, and what the endpoint said. The shapes are known by
 * name and never by class, since a dropped-in provider brings its own copy of the SDK. Nothing secret is in it.
 */
import { causesOf, unreachable, type Unreachable } from "../lib/unreachable.ts"

const MOST_SAID = 500
const MOST_BODY = 2_000

export interface Facts {
  /** `answer`: the endpoint said that it failed. `network`: the connection did. `chunk`: something that the protocol does not know. `end`: nothing more came. `request`: it cannot be expressed. `unknown`: a plugin's own code failed. */
  kind: "answer" | "network" | "chunk" | "end" | "request" | "unknown"
  status?: number
  /** `code`, `type` and `status` as the vendor gave them. */
  names: string
  /** One line. */
  said: string
  headers: Readonly<Record<string, string>>
  url?: string
  body?: string
  network?: Unreachable
}

/** A stream ended, and said no end. */
export class NothingMore extends Error {}

type Loose = Readonly<Record<string, unknown>>

export function factsOf(thrown: unknown): Facts {
  const error = looseOf(thrown) ?? {}
  const name = thrown instanceof Error ? thrown.name : ""
  const body = typeof error.responseBody === "string" ? error.responseBody : undefined
  // The body first: an SDK keeps of it only what it knows.
  const inside = saidIn(parsed(body)) ?? saidIn(error.data) ?? saidIn(error.value) ?? (thrown instanceof Error ? undefined : saidIn(error))
  const status = statusOf(error.statusCode) ?? statusOf(inside?.code) ?? statusOf(inside?.status)
  const network = unreachable(thrown)
  // A body that is neither JSON nor a page is what it says.
  const said = inside?.message ?? (body && !/^\s*[<{[]/.test(body) ? body : undefined)
  return {
    kind: kindOf(thrown, name, { status, network, said: inside !== undefined }),
    names: namesIn(inside, (looseOf(error.responseHeaders) ?? {})["x-amzn-errortype"]).join(" "),
    said: oneLine(String(said ?? rootMessage(thrown))),
    headers: (looseOf(error.responseHeaders) ?? {}) as Record<string, string>,
    ...(status !== undefined && { status }),
    ...(typeof error.url === "string" && { url: plainUrl(error.url) }),
    ...(body && { body: redact(body).slice(0, MOST_BODY) }),
    ...(network !== undefined && { network }),
  }
}

function kindOf(thrown: unknown, name: string, { status, network, said }: { status?: number; network?: Unreachable; said: boolean }): Facts["kind"] {
  if (network !== undefined) return "network"
  if (thrown instanceof NothingMore) return "end"
  switch (name) {
    case "": return "answer"
    case "AbortError": case "TimeoutError": return "network"
    case "AI_APICallError": return status === undefined ? "network" : status < 300 && !said ? "chunk" : "answer"
    case "AI_LoadAPIKeyError": return "answer"
    case "AI_EmptyResponseBodyError": return "end"
    case "AI_InvalidResponseDataError": return /ended without/.test((thrown as Error).message) ? "end" : "chunk"
    case "AI_TypeValidationError": return said ? "answer" : "chunk"
    case "AI_JSONParseError": return "chunk"
    default: return name.startsWith("AI_") || typeof (thrown as { code?: unknown }).code === "string" ? "request" : "unknown"
  }
}

/** Vendors put what they say into `error`, into its `message`, or right at the top; Google into a list of one. */
function saidIn(value: unknown): Loose | undefined {
  const outer = looseOf(Array.isArray(value) ? value[0] : value)
  if (!outer) return undefined
  const error = outer.error ?? looseOf(outer.response)?.error
  if (typeof error === "string") return { ...outer, message: error }
  const inner = looseOf(error)
  if (typeof inner?.message === "string" || typeof inner?.type === "string") return inner
  if (typeof outer.message === "string") return outer
  return typeof outer.detail === "string" ? { ...outer, message: outer.detail } : undefined
}

/** Beside code, type and status: Google's reasons, Azure's inner error, what OpenRouter knows of a refusal, and the type that AWS puts into a header. */
function namesIn(inside: Loose | undefined, header: unknown): string[] {
  const details = Array.isArray(inside?.details) ? inside.details.map((detail) => looseOf(detail)?.reason) : []
  const metadata = looseOf(inside?.metadata)
  const refused = metadata && (Array.isArray(metadata.reasons) || metadata.flagged_input !== undefined) ? "moderation" : undefined
  return [inside?.code, inside?.type, inside?.status, looseOf(inside?.innererror)?.code, metadata?.error_type, refused, ...details, typeof header === "string" ? header.split(":")[0] : undefined].filter((each): each is string => typeof each === "string")
}

/** The innermost cause says what happened; those around it say that something did. */
function rootMessage(thrown: unknown): string {
  const messages = [...causesOf(thrown)].map(({ message }) => message).filter((message) => typeof message === "string" && message !== "")
  return String(messages.at(-1) ?? thrown)
}

/** Some give the status as the error's code, as a number or in words. */
function statusOf(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value
  return typeof number === "number" && number >= 200 && number < 600 ? number : undefined
}

/** Keys and tokens as vendors make them, and whatever follows "Bearer". */
function redact(text: string): string {
  return text.replaceAll(/\bBearer\s+[\w.~+/=-]+/gi, "Bearer [redacted]").replaceAll(/\b(?:(?:sk|pk|rk|gsk|xai|hf|nvapi|key)[-_][\w*-]{8,}|AIza[\w-]{20,}|gh[a-z]_\w{20,}|github_pat_\w{20,}|ya29\.[\w-]{20,}|eyJ[\w-]{8,}(?:\.[\w-]+){1,4})/g, "[redacted]")
}

/** Without user, password and query: each may hold a key. */
function plainUrl(text: string): string {
  if (!URL.canParse(text)) return "[no URL]"
  const { origin, pathname } = new URL(text)
  return `${origin}${pathname}`
}

function oneLine(text: string): string {
  const line = redact(text).replaceAll(/\s+/g, " ").trim().replace(/\.$/, "")
  return line.length > MOST_SAID ? `${line.slice(0, MOST_SAID)}…` : line
}

function parsed(text: string | undefined): unknown {
  try {
    return text ? (JSON.parse(text) as unknown) : undefined
  } catch {
    return undefined
  }
}

const looseOf = (value: unknown): Loose | undefined => (typeof value === "object" && value !== null ? (value as Loose) : undefined)
