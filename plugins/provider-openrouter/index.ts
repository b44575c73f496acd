/** Everybody's models through OpenRouter, which says itself what it has. */
import { definePlugin } from "graft"
import { discover, type DiscoveryState } from "../lib/discovery.ts"
import { CHAT_END } from "../lib/end.ts"
import { speakFor } from "../lib/vendor.ts"
import { cachePoint } from "./cache.ts"

export default definePlugin<DiscoveryState>({
  per: "location",
  state: { version: 1, init: () => ({}) },
  async setup(graft) {
    const { ready, connect } = await speakFor(graft, {
      id: "openrouter",
      name: "OpenRouter",
      methods: [{ id: "openrouter.key", provider: "openrouter", kind: "key", label: "OpenRouter API key", env: ["OPENROUTER_API_KEY"], url: "https://openrouter.ai/settings/keys" }],
      defaultModel: "anthropic/claude-sonnet-5.5",
      smallModel: "anthropic/claude-haiku-5.5",
      languageModel: async (model, { sdk }) => (await import("@openrouter/ai-sdk-provider")).createOpenRouter({ ...sdk, compatibility: "strict", appName: "Graft" }).chat(model.api ?? model.id, { usage: { include: true } }),
      manner: { end: CHAT_END, cachePoint },
    })
    discover(graft, { provider: "openrouter", ready, ask: async (signal) => (await import("./list.ts")).list(await connect(), signal) })
  },
})
