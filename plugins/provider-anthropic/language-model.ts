/** One of Anthropic's models, spoken to with what a turn needs: its own history, cache points, and room for the answer. */
import type { LanguageModelV4, LanguageModelV4CallOptions } from "@ai-sdk/provider"
import { withCachePoints } from "../lib/cache-points.ts"
import { ownHistory, seenBy } from "../lib/provider-history.ts"
import type { Connection, SdkSettings } from "../lib/vendor.ts"
import type { Model } from "../model/contract.ts"

/** Tokens of an answer, where the turn asks for no number: more is rarely needed, and some models count it as used context. */
const ROOM = 32_000
const CACHE_POINT = { name: "anthropic", mark: { cacheControl: { type: "ephemeral" } } }

export async function languageModel(model: Model, { url, key, token, variable, sdk: { headers, fetch } }: Connection & { sdk: SdkSettings }): Promise<LanguageModelV4> {
  const { createAnthropic } = await import("@ai-sdk/anthropic")
  // Only a key goes into its own header: a token is somebody's who logged in.
  const credential = variable === "ANTHROPIC_AUTH_TOKEN" || token ? { authToken: key } : { apiKey: key }
  const anthropic = createAnthropic({ ...credential, headers, fetch, ...(url && { baseURL: versioned(url) }) })
  return seenBy(anthropic.languageModel(model.api ?? model.id), (options) => optionsFor(model, options))
}

export function optionsFor(model: Model, options: LanguageModelV4CallOptions): LanguageModelV4CallOptions {
  const prompt = ownHistory(options.prompt, "anthropic", model.replay, takesInResults)
  return {
    ...options,
    prompt: model.capabilities?.cache === false ? prompt : withCachePoints(prompt, CACHE_POINT),
    maxOutputTokens: options.maxOutputTokens ?? Math.min(model.limits?.output ?? ROOM, ROOM),
    // A ping is a sign of life.
    providerOptions: { ...options.providerOptions, anthropic: { includePings: true, ...options.providerOptions?.anthropic } },
  }
}

/** What the Messages API takes in the result of a call. */
const takesInResults = (media: string): boolean => media.startsWith("image/") || media === "application/pdf"

/** Anthropic's own tools want the URL without the version. */
const versioned = (url: string): string => (/\/v\d+\/*$/.test(url) ? url : `${url.replace(/\/+$/, "")}/v1`)
