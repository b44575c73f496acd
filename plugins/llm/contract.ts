import type { Notify } from "graft"
import type { LanguageModelV4Prompt, LanguageModelV4StreamPart } from "@ai-sdk/provider"

export interface ToolSpec { name: string; description: string; inputSchema: Record<string, unknown> }

/** Everything that one provider turn is made of; plain data. The messages hold no system message: `system` is it. */
export interface TurnRequest {
  /** Whose turn it is; not sent. */
  session?: string
  model: string
  system: string[]
  messages: LanguageModelV4Prompt
  tools: ToolSpec[]
  options: { maxOutputTokens?: number; temperature?: number; reasoning?: "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max"; provider?: Record<string, Record<string, unknown>> }
  headers: Record<string, string>
}

/** What went wrong, as whoever decides what follows sees it: each code belongs to one of these. */
export type FailureClass = "auth" | "permission" | "not-found" | "rate-limit" | "quota" | "overflow" | "content-filter" | "overloaded" | "transport-unsent" | "transport-unknown" | "malformed" | "cancelled"

/**
 * Thrown by the stream, with `code`: `llm.auth` (401), `llm.permission` (403: this key may not do this), `llm.not-found`
 * (no such model or endpoint), `llm.rate-limit` (429), `llm.quota`, `llm.overflow` (context), `llm.content-filter` (refused,
 * or an answer that was ended by it), `llm.server` (5xx: overloaded), `llm.request` (other 4xx: malformed), `llm.network`
 * (nothing was answered: refused, DNS, certificate: unsent; reset, silence: unknown), `llm.cut` (the stream broke off),
 * `llm.protocol` (a chunk is not what the vendor documents: malformed), `llm.idle` (silence), `llm.aborted` (cancelled).
 */
export interface LlmFailure {
  code: string
  class: FailureClass
  message: string
  /** Safe to send again. */
  retryable: boolean
  /** Milliseconds the provider asked to wait. */
  retryAfter?: number
  status?: number
  provider: string
  /** The model's ref, where one was found. */
  model?: string
  /** Tokens that fit, where an overflow said it. */
  limit?: number
  url?: string
  body?: string
}

/** One provider turn in, one stream of the ecosystem's stream parts out. No tool loop, no retry here. */
export interface Llm {
  stream(request: TurnRequest, call?: { signal?: AbortSignal; /** Silence after which the stream is given up. Default 120,000 ms. */ idle?: number }): AsyncIterable<LanguageModelV4StreamPart>
}

declare module "graft" {
  interface Services { llm: Llm }
  interface Events { "llm.requested": Notify<{ model: string; provider: string; messages: number; tools: number }>; "llm.failed": Notify<LlmFailure> }
}
