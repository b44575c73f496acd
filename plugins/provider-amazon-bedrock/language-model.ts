/** One of Bedrock's models, signed with whatever credentials there are at the moment of the request. */
import type { LanguageModelV4 } from "@ai-sdk/provider"
import type { Connection, SdkSettings } from "../lib/vendor.ts"
import type { Model } from "../model/contract.ts"
import { credentials, regionOf } from "./chain.ts"

export async function languageModel(model: Model, connection: Connection & { sdk: SdkSettings }): Promise<LanguageModelV4> {
  const { createAmazonBedrock } = await import("@ai-sdk/amazon-bedrock")
  const { key, sdk } = connection
  // An empty key keeps the SDK from taking one from the environment that is not meant.
  const bedrock = createAmazonBedrock({ ...sdk, region: regionOf(connection), apiKey: key || " ", ...(key === "" && { credentialProvider: () => credentials(connection) }) })
  return bedrock.languageModel(model.api ?? model.id)
}
