/** A vendor that speaks Chat Completions as OpenAI wrote them down, from what is its own: a name, a URL, a variable. */
import type { EndpointRow } from "../provider-openai-compatible/contract.ts"
import type { Vendor } from "./vendor.ts"

export const chatVendor = ({ id, name = id, url, env, page }: EndpointRow): Vendor => ({
  id, name,
  methods: [{ id: `${id}.key`, provider: id, kind: "key", label: `${name} API key`, env: env ?? [], ...(page && { url: page }) }],
  // One without a variable takes no key.
  ...(env === undefined && { lacks: () => undefined }),
  languageModel: async (model, { url: own = url, key, headers, body }) => (await import("./chat-model.ts")).languageModel(model, { url: own, headers: { ...(key && { authorization: `Bearer ${key}` }), ...headers }, body }),
})
