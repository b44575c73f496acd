/**
 * One of OpenAI's models over the Responses API. Nothing is stored there: the whole history goes along each time, with
 * the model's reasoning encrypted, and no item is ever named by an id that the other side may not know.
 */
import type { LanguageModelV4 } from "@ai-sdk/provider"
import { seenBy } from "../lib/provider-history.ts"
import { statelessFor } from "../lib/stateless.ts"
import type { Connection, SdkSettings } from "../lib/vendor.ts"
import type { Model } from "../model/contract.ts"

export async function languageModel(model: Model, { sdk, more }: Connection & { sdk: SdkSettings }): Promise<LanguageModelV4> {
  const { createOpenAI } = await import("@ai-sdk/openai")
  const openai = createOpenAI({ ...sdk, ...(more.project && { project: more.project }) })
  return seenBy(openai.responses(model.api ?? model.id), statelessFor(model, "openai"))
}
