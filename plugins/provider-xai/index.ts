/** xAI's models over its Responses API, stateless: the reasoning goes along encrypted. */
import { definePlugin } from "graft"
import { RESPONSES_END } from "../lib/end.ts"
import { withoutItemIds } from "../lib/stateless.ts"
import { speakFor } from "../lib/vendor.ts"

export default definePlugin({
  per: "location",
  setup: async (graft) => void (await speakFor(graft, {
    id: "xai",
    name: "xAI",
    methods: [{ id: "xai.key", provider: "xai", kind: "key", label: "xAI API key", env: ["XAI_API_KEY"], url: "https://console.x.ai" }],
    defaultModel: "grok-4.7",
    smallModel: "grok-4.3",
    languageModel: async (model, { sdk }) => (await import("@ai-sdk/xai")).createXai(sdk).responses(model.api ?? model.id),
    manner: { end: RESPONSES_END, options: () => ({ store: false }), prompt: (prompt) => withoutItemIds(prompt, "xai") },
  })),
})
