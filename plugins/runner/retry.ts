/** Whether a failed attempt is made again, and when. Pure. */
import type { Graft } from "graft"
import type { LlmFailure, TurnRequest } from "../llm/contract.ts"
import type { Model } from "../model/contract.ts"
import type { Failure, RetryClass } from "../session/contract.ts"

/** Tries after the first. */
export const MOST_RETRIES = 4
const FIRST_DELAY = 2_000
/** The longest that a provider's Retry-After is followed; beyond it the person is told. */
export const LONGEST_WAIT = 15 * 60_000

/** Failures that pass by themselves, unless whoever saw them says otherwise. */
const PASSING = new Set(["llm.rate-limit", "llm.server", "llm.network", "llm.protocol"])
/** An answer that broke off before its first output is asked for again; what broke off later is kept and gone on from. */
const BROKEN_OFF = new Set(["llm.cut", "llm.idle"])

/** Milliseconds to wait before try `n + 1`, or why there is none. `chance` in [0, 1). */
export function retryDelay(failure: Failing, n: number, chance: number): number | undefined {
  const passes = BROKEN_OFF.has(failure.code) || (PASSING.has(failure.code) && failure.retryable !== false)
  if (!passes || n > MOST_RETRIES) return undefined
  if (failure.retryAfter !== undefined) return failure.retryAfter <= LONGEST_WAIT ? failure.retryAfter : undefined
  return Math.round(FIRST_DELAY * 2 ** (n - 1) * (0.75 + chance / 2))
}

export type Failing = Failure & Partial<Pick<LlmFailure, "retryable" | "retryAfter" | "provider">>

/** Whatever was thrown, as a failure with a code; what the person can do is said where it is known. */
export function failureOf(error: unknown): Failing {
  const { code, message, retryable, retryAfter, provider } = (error ?? {}) as Partial<LlmFailure>
  const text = message ?? String(error)
  const failing: Failing = {
    code: typeof code === "string" ? code : "runner.failed",
    message: code === "llm.overflow" ? `${text}. The conversation no longer fits this model: choose one with a larger context (--model), or start a new session` : text,
  }
  return { ...failing, ...(retryable !== undefined && { retryable }), ...(retryAfter !== undefined && { retryAfter }), ...(provider !== undefined && { provider }) }
}

export const plainFailure = ({ code, message }: Failing): Failure => ({ code, message })

/** Options under which the provider itself runs something that has effects. */
const HOSTED = ["tools", "mcpServers"]

/** What it would mean to send a request twice: as its provider says, else money, or nobody knows. */
export function retryClassOf(graft: Pick<Graft, "all">, { provider }: Pick<Model, "provider">, request: TurnRequest): RetryClass {
  const hosted = Object.values(request.options.provider ?? {}).some((options) => HOSTED.some((name) => Array.isArray(options[name]) && options[name].length > 0))
  if (hosted) return "unsafe"
  const speaker = graft.all("provider").rows().findLast(({ item }) => item.id === provider)
  return speaker?.item.retry ?? "billing-only"
}
