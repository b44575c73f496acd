/** Google's Gemini models over the Generative Language API. The catalogue says which there are. */
import { definePlugin } from "graft"
import { speakFor } from "../lib/vendor.ts"

export default definePlugin({
  per: "location",
  setup: async (graft) => void (await speakFor(graft, {
    id: "google",
    name: "Google",
    methods: [{ id: "google.key", provider: "google", kind: "key", label: "Gemini API key", env: ["GOOGLE_GENERATIVE_AI_API_KEY", "GEMINI_API_KEY"], url: "https://aistudio.google.com/apikey" }],
    defaultModel: "gemini-3.8-flash",
    smallModel: "gemini-3.5-flash-lite",
    languageModel: async (model, { sdk }) => (await import("@ai-sdk/google")).createGoogle(sdk).languageModel(model.api ?? model.id),
    // Thoughts are told in summary only where they are asked for.
    manner: { options: ({ capabilities }) => (capabilities?.reasoning ? { thinkingConfig: { includeThoughts: true } } : {}) },
  })),
})
