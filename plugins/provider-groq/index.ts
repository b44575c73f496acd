/** Models that Groq runs. The catalogue says which there are. */
import { definePlugin } from "graft"
import { CHAT_END } from "../lib/end.ts"
import { speakFor } from "../lib/vendor.ts"

export default definePlugin({
  per: "location",
  setup: async (graft) => void (await speakFor(graft, {
    id: "groq",
    name: "Groq",
    methods: [{ id: "groq.key", provider: "groq", kind: "key", label: "Groq API key", env: ["GROQ_API_KEY"], url: "https://console.groq.com/keys" }],
    defaultModel: "openai/gpt-oss-120b",
    smallModel: "openai/gpt-oss-20b",
    languageModel: async (model, { sdk }) => (await import("@ai-sdk/groq")).createGroq(sdk).languageModel(model.api ?? model.id),
    manner: { end: CHAT_END, options: ({ capabilities }) => (capabilities?.reasoning ? { reasoningFormat: "parsed" } : {}) },
  })),
})
