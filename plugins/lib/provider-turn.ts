/** How a vendor's SDK is spoken through: over our own way there, with the vendor's own part of the history, and cache points where it wants them. */
import type { JSONValue, LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4Prompt } from "@ai-sdk/provider"
import type { Model } from "../model/contract.ts"
import { withCachePoints } from "./cache-points.ts"
import { fetchAs } from "./provider-fetch.ts"
import { ownHistory, seenBy } from "./provider-history.ts"
import type { Connection, Vendor } from "./vendor.ts"

export interface Manner {
  /** What it is called in `providerOptions` and in the metadata of what comes back; the first is written. Default: its id. */
  names?: readonly [string, ...string[]]
  /** The mark of a cache point, for the models that want to be told. */
  cachePoint?(model: Model): Record<string, JSONValue> | undefined
  /** Options of its SDK that the turn does not set. */
  options?(model: Model, options: LanguageModelV4CallOptions): Record<string, JSONValue | undefined>
  /** What is still to be done to the history that goes out. */
  prompt?(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt
  /** What ends a reply that is whole, where the SDK takes every end for one. */
  end?: RegExp
}

export async function speak(vendor: Vendor, model: Model, connection: Connection): Promise<LanguageModelV4> {
  const { id, manner } = vendor
  const { key: apiKey, headers, url, body } = connection
  const spoken = await vendor.languageModel(model, { ...connection, sdk: { apiKey, headers, fetch: fetchAs({ provider: id, end: manner?.end, body }), ...(url !== undefined && { baseURL: url }) } })
  return manner ? seenBy(spoken, (options) => inManner(model, manner, options)) : spoken
}

export function inManner(model: Model, { names = [model.provider], cachePoint, options: set, prompt: change }: Manner, options: LanguageModelV4CallOptions): LanguageModelV4CallOptions {
  const [name] = names
  const own = ownHistory(options.prompt, [...names, model.provider], model.replay)
  const mark = model.capabilities?.cache === false ? undefined : cachePoint?.(model)
  const prompt = mark ? withCachePoints(own, { name, mark }) : own
  return {
    ...options,
    prompt: change ? change(prompt) : prompt,
    ...(set && { providerOptions: { ...options.providerOptions, [name]: { ...set(model, options), ...options.providerOptions?.[name] } } }),
  }
}

/** The id that the endpoint wants. */
export const apiOf = (model: Model): string => model.api ?? model.id
