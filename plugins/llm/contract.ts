import type { Notify } from "graft"
import type { LanguageModelV4Prompt, LanguageModelV4StreamPart } from "@ai-sdk/provider"

export interface ToolSpec { name: string; description: string; inputSchema: Record<string, unknown> }

/** Everything that one provider turn is made of; plain data. The messages hold no system message: `system` is it. */
export interface TurnRequest {
  model: string
  system: string[]
  messages: LanguageModelV4Prompt
  tools: ToolSpec[]
  options: { maxOutputTokens?: number; temperature?: number; reasoning?: "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max"; provider?: Record<string, Record<string, unknown>> }
  headers: Record<string, string>
}

/**
 * Thrown by the stream, with `code`: `llm.auth` (401, 403), `llm.rate-limit` (429), `llm.quota`, `llm.overflow` (context),
 * `llm.server` (5xx), `llm.request` (other 4xx), `llm.network` (refused, DNS, reset: nothing was answered), `llm.cut`
 * (the stream broke off), `llm.protocol` (a chunk is not what the vendor documents), `llm.idle` (silence), `llm.aborted`.
 */
export interface LlmFailure { code: string; message: string; /** Safe to send again. */ retryable: boolean; /** Milliseconds the provider asked to wait. */ retryAfter?: number; status?: number; provider: string; url?: string; body?: string }

/** One provider turn in, one stream of the ecosystem's stream parts out. No tool loop, no retry here. */
export interface Llm {
  stream(request: TurnRequest, call?: { signal?: AbortSignal; /** Silence after which the stream is given up. Default 120,000 ms. */ idle?: number }): AsyncIterable<LanguageModelV4StreamPart>
}

declare module "graft" {
  interface Services { llm: Llm }
  interface Events { "llm.requested": Notify<{ model: string; provider: string; messages: number; tools: number }>; "llm.failed": Notify<LlmFailure> }
}
