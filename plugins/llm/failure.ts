/** Whatever went wrong, as one failure of the contract's closed set: what happened, where, and what to do. */
import { causesOf } from "../lib/unreachable.ts"
import type { FailureClass, LlmFailure } from "./contract.ts"
import { factsOf, type Facts } from "./facts.ts"
import { limitIn } from "./limit.ts"
import { retryAfter } from "./retry-after.ts"
import { codeOf } from "./signs.ts"

/** What is not said otherwise where it is known better: a network failure that came after the request was on its way. */
const CLASSES: Readonly<Record<string, FailureClass>> = {
  "llm.auth": "auth", "llm.permission": "permission", "llm.not-found": "not-found", "llm.rate-limit": "rate-limit", "llm.quota": "quota", "llm.overflow": "overflow",
  "llm.content-filter": "content-filter", "llm.server": "overloaded", "llm.network": "transport-unsent", "llm.cut": "transport-unknown", "llm.idle": "transport-unknown",
  "llm.request": "malformed", "llm.protocol": "malformed", "llm.aborted": "cancelled",
}

export class LlmError extends Error implements LlmFailure {
  readonly code: string
  readonly class: FailureClass
  readonly retryable: boolean
  readonly provider: string
  declare readonly retryAfter?: number
  declare readonly status?: number
  declare readonly model?: string
  declare readonly limit?: number
  declare readonly url?: string
  declare readonly body?: string
  constructor({ message, code, class: known, retryable, provider, ...more }: Omit<LlmFailure, "class"> & { class?: FailureClass }) {
    super(message)
    this.name = "LlmError"
    this.code = code
    this.class = known ?? CLASSES[code] ?? "malformed"
    this.retryable = retryable
    this.provider = provider
    Object.assign(this, more)
  }

  /** As it is told. An error's own name and message are not copied with the rest. */
  get plain(): LlmFailure {
    const { name: _, ...rest } = this
    return { ...rest, message: this.message }
  }
}

/** Where it went wrong. `begun`: the endpoint had accepted the request. `strange`: the type of what came instead of a stream. `advice`: what to do about a refused credential. */
export interface Circumstances { readonly provider: string; readonly model?: string | undefined; readonly begun: boolean; readonly strange?: string | undefined; readonly advice: string }

export function failureOf(error: unknown, at: Circumstances): LlmError {
  if (error instanceof LlmError) return error
  const known = [...causesOf(error)].map((cause): unknown => cause).find(isClosed)
  if (known) return new LlmError({ ...known, message: known.message, retryable: known.retryable ?? false, provider: at.provider, ...(at.model !== undefined && { model: at.model }) })
  const facts = factsOf(error)
  const { provider } = at
  const { kind, said, network, url, body, status } = facts
  const fail = (code: string, message: string, more: Partial<LlmFailure> = {}) => new LlmError({ code, message, provider, retryable: false, ...(at.model !== undefined && { model: at.model }), ...(url !== undefined && { url }), ...(body !== undefined && { body }), ...more })
  switch (kind) {
    case "answer":
      return answered(facts, at, fail)
    case "network":
      if (at.begun || (status !== undefined && status < 300)) return fail("llm.cut", `${provider}: the stream broke off${network ? ` (${network.code})` : ""}`, { retryable: true })
      return fail("llm.network", `${provider} could not be reached${url ? ` at ${url}` : ""}: ${network?.says ?? said}`, { retryable: network?.passes ?? true, class: network?.unsent ? "transport-unsent" : "transport-unknown" })
    case "chunk":
      return fail("llm.protocol", `${provider} sent what its protocol does not know: ${said}`, { retryable: true })
    case "end":
      if (at.strange !== undefined) return fail("llm.protocol", `${provider} answered with ${at.strange}, which is no stream of events; is its URL right? Most end in /v1`)
      return fail("llm.cut", `${provider}: the stream broke off before the reply was whole`, { retryable: true })
    case "request":
      return fail("llm.request", `${provider} cannot be asked this: ${said}`)
    case "unknown":
      return fail("llm.protocol", `the plugin that speaks to ${provider} failed: ${said}`, { retryable: !isMistake(error) })
    default:
      return kind satisfies never
  }
}

/** A plugin that knows may say so itself, also where an SDK wraps what it said. */
const isClosed = (error: unknown): error is Error & Pick<LlmFailure, "code"> & Partial<LlmFailure> => error instanceof Error && /^llm\.[a-z-]+$/.test(String((error as { code?: unknown }).code))

/** The endpoint said that it failed. */
function answered({ status, said, names, headers, body }: Facts, { provider, advice }: Circumstances, fail: (code: string, message: string, more?: Partial<LlmFailure>) => LlmError): LlmError {
  const code = codeOf({ status, names, text: said })
  const wait = retryAfter(headers, said, Date.now())
  const asked = headers["x-should-retry"]
  const known = { ...(status !== undefined && { status }), ...(wait !== undefined && { retryAfter: wait }) }
  const again = { ...known, retryable: asked === undefined ? code === "llm.rate-limit" || code === "llm.server" : asked === "true" }
  const why = `(${[status, said].filter((part) => part !== undefined && part !== "").join(": ")})`
  switch (code) {
    case "llm.auth": return fail(code, `${provider} refused the credential ${why}. ${advice}`, known)
    case "llm.quota": return fail(code, `${provider}: what this account may use is used up ${why}. Top it up, or choose another model`, known)
    case "llm.overflow": return fail(code, `${provider}: the request is longer than the model can take ${why}`, { ...known, ...limitIn(said, body) })
    case "llm.permission": return fail(code, `${provider} does not let this credential do this ${why}. Choose another model, or let the account's owner allow it`, known)
    case "llm.not-found": return fail(code, `${provider} does not have this model, or this endpoint ${why}. \`graft models --provider ${provider}\` lists its models`, known)
    case "llm.content-filter": return fail(code, `${provider}: its content filter refused the request ${why}. Say it otherwise, or choose another model`, known)
    case "llm.protocol": return fail(code, `${provider}: the model wrote what its protocol does not know ${why}`, { ...known, retryable: true })
    case "llm.rate-limit": return fail(code, `${provider} is asked too often ${why}${wait === undefined ? "" : `; it asks to wait ${Math.ceil(wait / 1_000)} s`}`, again)
    case "llm.server": return fail(code, `${provider} failed ${why}`, again)
    case "llm.request": return fail(code, `${provider} refused the request ${why}`, again)
    default: return code satisfies never
  }
}

/** A mistake in a plugin's code: its author must know, and sending it again would give the same. */
export function isMistake(error: unknown): boolean {
  const programming = error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError || error instanceof SyntaxError
  return programming && factsOf(error).kind === "unknown"
}
