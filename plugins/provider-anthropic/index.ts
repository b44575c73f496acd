/** Anthropic's models over the Messages API. The catalogue says which there are. */
import { definePlugin } from "graft"
import { speakFor } from "../lib/vendor.ts"
import { languageModel } from "./language-model.ts"

export default definePlugin({
  per: "location",
  setup: (graft) => speakFor(graft, {
    id: "anthropic",
    name: "Anthropic",
    methods: [{ id: "anthropic.key", provider: "anthropic", kind: "key", label: "Anthropic API key", env: ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"], url: "https://console.anthropic.com/settings/keys" }],
    defaultModel: "claude-sonnet-5-5",
    smallModel: "claude-haiku-5-5",
    languageModel,
  }),
})
