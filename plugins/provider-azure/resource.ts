/**
 * An Azure resource: where it is, and how its models are spoken to. Like OpenAI's own Responses API, and stateless in the
 * same way, under another name and another roof.
 */
import type { LanguageModelV4 } from "@ai-sdk/provider"
import type { Connection, SdkSettings } from "../lib/vendor.ts"
import type { Model } from "../model/contract.ts"

const resourceOf = ({ more }: Connection): string | undefined => more.resource ?? (process.env.AZURE_RESOURCE_NAME || undefined)
const urlOf = ({ url }: Connection): string | undefined => url ?? (process.env.AZURE_OPENAI_ENDPOINT ? `${process.env.AZURE_OPENAI_ENDPOINT.replace(/\/+$/, "")}/openai/v1` : undefined)

export function lacks(connection: Connection): string | undefined {
  const signed = connection.key !== "" || connection.headers.authorization !== undefined || connection.headers["api-key"] !== undefined
  if (!signed) return "no key: run `graft auth login azure`, or set AZURE_API_KEY (a key: https://ai.azure.com)"
  if (urlOf(connection) || resourceOf(connection)) return undefined
  return "no resource: set `providers.azure.resource` or `url` in the config, or AZURE_RESOURCE_NAME"
}

export async function languageModel(model: Model, connection: Connection & { sdk: SdkSettings }): Promise<LanguageModelV4> {
  const [{ createAzure }, { seenBy }, { statelessFor }] = await Promise.all([import("@ai-sdk/azure"), import("../lib/provider-history.ts"), import("../lib/stateless.ts")])
  const { sdk, more } = connection
  const azure = createAzure({ ...sdk, baseURL: urlOf(connection), resourceName: resourceOf(connection), ...(more.version && { apiVersion: more.version }) })
  return seenBy(azure.responses(model.api ?? model.id), statelessFor(model, "azure"))
}
