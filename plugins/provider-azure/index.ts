/** OpenAI's models in Azure, over the Responses API, stateless. A deployment of one's own is a model that the config names. */
import { definePlugin } from "graft"
import { speakFor } from "../lib/vendor.ts"
import { lacks, languageModel } from "./resource.ts"

export default definePlugin({
  per: "location",
  setup: async (graft) => void (await speakFor(graft, {
    id: "azure",
    name: "Azure",
    methods: [{ id: "azure.key", provider: "azure", kind: "key", label: "Azure API key", env: ["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"], url: "https://ai.azure.com" }],
    lacks,
    languageModel,
  })),
})
