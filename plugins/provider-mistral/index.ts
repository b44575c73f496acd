/** Mistral's models over its own chat API. The catalogue says which there are. */
import { definePlugin } from "graft"
import { CHAT_END } from "../lib/end.ts"
import { speakFor } from "../lib/vendor.ts"
import { inOrder } from "./order.ts"

export default definePlugin({
  per: "location",
  setup: async (graft) => void (await speakFor(graft, {
    id: "mistral",
    name: "Mistral",
    methods: [{ id: "mistral.key", provider: "mistral", kind: "key", label: "Mistral API key", env: ["MISTRAL_API_KEY"], url: "https://console.mistral.ai/api-keys" }],
    defaultModel: "mistral-medium-latest",
    smallModel: "mistral-small-latest",
    languageModel: async (model, { sdk }) => (await import("@ai-sdk/mistral")).createMistral(sdk).languageModel(model.api ?? model.id),
    manner: { end: CHAT_END, prompt: inOrder },
  })),
})
