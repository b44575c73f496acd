/** OpenAI's models over the Responses API, stateless. The catalogue says which there are. */
import { definePlugin } from "graft"
import { speakFor } from "../lib/vendor.ts"

export default definePlugin({
  per: "location",
  setup: async (graft) => void (await speakFor(graft, {
    id: "openai",
    name: "OpenAI",
    methods: [{ id: "openai.key", provider: "openai", kind: "key", label: "OpenAI API key", env: ["OPENAI_API_KEY"], url: "https://platform.openai.com/api-keys" }],
    defaultModel: "gpt-6.1-sol",
    smallModel: "gpt-6-luna",
    urlVariable: "OPENAI_BASE_URL",
    languageModel: async (model, connection) => (await import("./language-model.ts")).languageModel(model, connection),
  })),
})
