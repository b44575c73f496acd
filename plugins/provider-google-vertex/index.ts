/** Gemini on Google Cloud: with an express key, or with the credentials of the machine. */
import { definePlugin } from "graft"
import { speakFor } from "../lib/vendor.ts"
import { lacks, settingsOf } from "./cloud.ts"

export default definePlugin({
  per: "location",
  setup: async (graft) => void (await speakFor(graft, {
    id: "google-vertex",
    name: "Google Vertex AI",
    methods: [
      { id: "google-vertex.key", provider: "google-vertex", kind: "key", label: "Vertex express key", env: ["GOOGLE_VERTEX_API_KEY"], url: "https://console.cloud.google.com/vertex-ai" },
      { id: "google-vertex.adc", provider: "google-vertex", kind: "cloud", label: "Google Cloud credentials", env: [], help: "found by themselves: gcloud auth application-default login, GOOGLE_APPLICATION_CREDENTIALS, or the machine's own" },
    ],
    defaultModel: "gemini-3.8-flash",
    smallModel: "gemini-3.5-flash-lite",
    lacks,
    languageModel: async (model, { sdk, ...connection }) => (await import("@ai-sdk/google-vertex")).createVertex({ ...sdk, ...settingsOf(connection) }).languageModel(model.api ?? model.id),
    manner: { names: ["googleVertex", "vertex"], options: ({ capabilities }) => (capabilities?.reasoning ? { thinkingConfig: { includeThoughts: true } } : {}) },
  })),
})
