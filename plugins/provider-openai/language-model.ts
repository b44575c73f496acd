/**
 * One of OpenAI's models over the Responses API. Nothing is stored there: the whole history goes along each time, with
 * the model's reasoning encrypted, and no item is ever named by an id that the other side may not know.
 */
import type { LanguageModelV4, LanguageModelV4CallOptions } from "@ai-sdk/provider"
import { providerFetch } from "../lib/provider-fetch.ts"
import { ownHistory, seenBy } from "../lib/provider-history.ts"
import type { Connection } from "../lib/vendor.ts"
import type { Model } from "../model/contract.ts"
import { withoutItemIds } from "./stateless.ts"

export async function languageModel(model: Model, { url, key, headers }: Connection): Promise<LanguageModelV4> {
  const { createOpenAI } = await import("@ai-sdk/openai")
  const openai = createOpenAI({ apiKey: key, headers, fetch: providerFetch, ...(url && { baseURL: url }) })
  return seenBy(openai.responses(model.api ?? model.id), (options) => optionsFor(model, options))
}

export function optionsFor(model: Model, options: LanguageModelV4CallOptions): LanguageModelV4CallOptions {
  // The SDK knows the models of its day; ours are in the catalogue.
  const reasons = model.capabilities?.reasoning
  return {
    ...options,
    prompt: withoutItemIds(ownHistory(options.prompt, "openai")),
    providerOptions: {
      ...options.providerOptions,
      openai: { store: false, ...(reasons !== undefined && { forceReasoning: reasons }), ...(reasons && options.reasoning !== "none" && { reasoningSummary: "auto" }), ...options.providerOptions?.openai },
    },
  }
}
