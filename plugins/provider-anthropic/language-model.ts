/** One of Anthropic's models, spoken to with what a turn needs: its own history, cache points, and room for the answer. */
import type { LanguageModelV4, LanguageModelV4CallOptions } from "@ai-sdk/provider"
import { providerFetch } from "../lib/provider-fetch.ts"
import { ownHistory, seenBy } from "../lib/provider-history.ts"
import type { Connection } from "../lib/vendor.ts"
import type { Model } from "../model/contract.ts"
import { withCachePoints } from "./cache-points.ts"

/** Tokens of an answer, where the turn asks for no number: more is rarely needed, and some models count it as used context. */
const ROOM = 32_000

export async function languageModel(model: Model, { url = process.env.ANTHROPIC_BASE_URL, key, variable, headers }: Connection): Promise<LanguageModelV4> {
  const { createAnthropic } = await import("@ai-sdk/anthropic")
  const credential = variable === "ANTHROPIC_AUTH_TOKEN" ? { authToken: key } : { apiKey: key }
  const anthropic = createAnthropic({ ...credential, headers, fetch: providerFetch, ...(url && { baseURL: versioned(url) }) })
  return seenBy(anthropic.languageModel(model.api ?? model.id), (options) => optionsFor(model, options))
}

export function optionsFor(model: Model, options: LanguageModelV4CallOptions): LanguageModelV4CallOptions {
  const prompt = ownHistory(options.prompt, "anthropic")
  return {
    ...options,
    prompt: model.capabilities?.cache === false ? prompt : withCachePoints(prompt),
    maxOutputTokens: options.maxOutputTokens ?? Math.min(model.limits?.output ?? ROOM, ROOM),
    // A ping is a sign of life.
    providerOptions: { ...options.providerOptions, anthropic: { includePings: true, ...options.providerOptions?.anthropic } },
  }
}

/** Anthropic's own tools want the URL without the version. */
const versioned = (url: string): string => (/\/v\d+\/*$/.test(url) ? url : `${url.replace(/\/+$/, "")}/v1`)
