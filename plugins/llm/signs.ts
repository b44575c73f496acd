/**
 * What tells one failure from another: the words, codes and numbers that vendors and local servers put into their errors.
 * Data, in the order in which they are tried; a new vendor's way of saying it is one more line here.
 */

/** All that a sign names must fit: `name` the error's code, type or status in words, `text` what it says, `status` the response's. */
export interface Sign { code: "llm.overflow" | "llm.quota" | "llm.rate-limit" | "llm.auth" | "llm.permission" | "llm.not-found" | "llm.content-filter" | "llm.server" | "llm.protocol"; name?: RegExp; text?: RegExp; status?: readonly number[] }

export const SIGNS: readonly Sign[] = [
  // Google says "quota" of an allowance a minute too; then it says when to come again.
  { code: "llm.rate-limit", name: /resource_exhausted/i, text: /retry in/i },
  // More than a whole minute's allowance would never pass.
  { code: "llm.overflow", text: /request too large for/i, status: [413, 429] },
  // An allowance is no context, though its errors speak of tokens too.
  { code: "llm.rate-limit", text: /(tokens|requests) per (minute|hour|day)|\b[RT]P[MD]\b/i, status: [429] },

  // Azure, OpenAI, OpenRouter's moderation, Google, Bedrock's guardrails
  { code: "llm.content-filter", name: /content_filter|content_policy|ResponsibleAIPolicy|moderation|PROHIBITED_CONTENT/i },
  { code: "llm.content-filter", text: /content management policy|flagged as potentially violating|requires moderation|was flagged|blocked by (?:our )?(?:content|safety) |safety system/i, status: [400, 403, 422] },
  // Groq: the model wrote a call that is none.
  { code: "llm.protocol", name: /tool_use_failed/i },
  { code: "llm.protocol", text: /^failed to call a function/i },

  { code: "llm.quota", name: /insufficient_quota|quota_exceeded|ServiceQuotaExceeded|billing|credit/i },
  { code: "llm.quota", text: /credit balance is too low|specified API usage limits/i },
  { code: "llm.quota", text: /insufficient (balance|credit|fund|quota)|out of credits|payment required|billing (hard )?limit|exceeded your current quota, please check your plan/i },
  { code: "llm.quota", status: [402] },

  { code: "llm.overflow", name: /context_length_exceeded|context_window_exceeded|exceed_context_size|request_too_large|string_above_max_length/i },
  // Anthropic
  { code: "llm.overflow", text: /prompt is too long|exceed context limit/i },
  // OpenAI, and all who speak like it: vLLM, OpenRouter, xAI, Groq, Mistral
  { code: "llm.overflow", text: /maximum (context|prompt) length|exceeds the context window|reduce the length of|too large for model with/i },
  // llama.cpp, LM Studio
  { code: "llm.overflow", text: /exceeds the available context|greater than the context length|context the overflows/i },
  // Google, Bedrock, Copilot, Kimi
  { code: "llm.overflow", text: /input token count[^.]{0,40}exceeds|input is too long|prompt token count[^.]{0,40}exceeds|exceeded model token limit/i },
  // In the words of anybody else
  { code: "llm.overflow", text: /context (window|length|size|limit)[^.]{0,40}(exceed|overflow)|exceed[^.]{0,40}context (window|length|size|limit)/i },
  { code: "llm.overflow", status: [413] },

  // AWS says with 403 that a signature or a token is wrong, and Google with 400 that a key is.
  { code: "llm.auth", name: /authentication|invalid_api_key|unauthorized|unauthenticated|API_KEY_(?:INVALID|EXPIRED)|ExpiredToken|UnrecognizedClient|InvalidSignature|MissingAuthenticationToken|InvalidClientTokenId|IncompleteSignature/i },
  { code: "llm.auth", text: /incorrect api key|invalid api key|api key not valid/i, status: [400, 401, 403] },
  { code: "llm.auth", status: [401] },
  { code: "llm.rate-limit", name: /rate_limit|resource_exhausted|too_many_requests|throttl|capacity_exceeded/i },
  { code: "llm.rate-limit", status: [429] },
  { code: "llm.not-found", name: /model_not_(?:found|supported)|DeploymentNotFound|ResourceNotFound|not_found/i },
  { code: "llm.not-found", text: /model (?:identifier|id)[^.]{0,40}invalid|model[^.]{0,80}(?:does not exist|not found)|unknown model/i, status: [400, 404, 422] },
  { code: "llm.not-found", status: [404, 410] },
  { code: "llm.permission", name: /permission_(error|denied)|AccessDenied|forbidden/i },
  { code: "llm.permission", status: [403] },
  { code: "llm.server", name: /overloaded|server_?error|api_error|internal|unavailable|slow_down|timeout|ModelNotReady|ModelStreamError|modelStreamError/i },
  // 408, Groq's 498 (no capacity), Bedrock's 424 (the model failed)
  { code: "llm.server", status: [408, 424, 498] },
]

/** The first sign that fits; else by the status, and without one (inside a stream) by whether the error calls the request wrong. */
export function codeOf({ status, names, text }: { status?: number | undefined; names: string; text: string }): Sign["code"] | "llm.request" {
  const sign = SIGNS.find((each) => (each.name?.test(names) ?? true) && (each.text?.test(text) ?? true) && (each.status === undefined || (status !== undefined && each.status.includes(status))))
  if (sign) return sign.code
  if (status === undefined || status < 300) return /invalid|not_found|bad_request|unsupported/i.test(names) ? "llm.request" : "llm.server"
  return status < 500 ? "llm.request" : "llm.server"
}
