/** OpenAI's models over the Responses API, stateless. The catalogue says which there are. */
import { definePlugin } from "graft"
import { speakFor } from "../lib/vendor.ts"
import { languageModel } from "./language-model.ts"

export default definePlugin({
  per: "location",
  setup: (graft) => speakFor(graft, {
    id: "openai",
    name: "OpenAI",
    methods: [{ id: "openai.key", provider: "openai", kind: "key", label: "OpenAI API key", env: ["OPENAI_API_KEY"], url: "https://platform.openai.com/api-keys" }],
    defaultModel: "gpt-6.1-sol",
    smallModel: "gpt-6-luna",
    languageModel,
  }),
})
