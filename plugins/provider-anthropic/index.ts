/** Anthropic's models over the Messages API. The catalogue says which there are. */
import { definePlugin } from "graft"
import { speakFor } from "../lib/vendor.ts"

export default definePlugin({
  per: "location",
  setup: async (graft) => void (await speakFor(graft, {
    id: "anthropic",
    name: "Anthropic",
    methods: [{ id: "anthropic.key", provider: "anthropic", kind: "key", label: "Anthropic API key", env: ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"], url: "https://console.anthropic.com/settings/keys" }],
    defaultModel: "claude-sonnet-5-5",
    smallModel: "claude-haiku-5-5",
    urlVariable: "ANTHROPIC_BASE_URL",
    languageModel: async (model, connection) => (await import("./language-model.ts")).languageModel(model, connection),
  })),
})
