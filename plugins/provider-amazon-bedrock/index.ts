/** Models that Amazon runs, over Bedrock's Converse API: with a Bedrock key, or signed with the credentials of AWS. */
import { definePlugin } from "graft"
import { FRAMES_END } from "../lib/end.ts"
import { speakFor } from "../lib/vendor.ts"

export default definePlugin({
  per: "location",
  setup: async (graft) => void (await speakFor(graft, {
    id: "amazon-bedrock",
    name: "Amazon Bedrock",
    methods: [
      { id: "amazon-bedrock.key", provider: "amazon-bedrock", kind: "key", label: "Bedrock API key", env: ["AWS_BEARER_TOKEN_BEDROCK"], url: "https://console.aws.amazon.com/bedrock/home#/api-keys" },
      { id: "amazon-bedrock.aws", provider: "amazon-bedrock", kind: "cloud", label: "AWS credentials", env: [], help: "found by themselves: AWS_ACCESS_KEY_ID, a profile (AWS_PROFILE, aws configure), a container or an instance" },
    ],
    lacks: async (connection) => (await import("./chain.ts")).lacks(connection),
    languageModel: async (model, connection) => (await import("./language-model.ts")).languageModel(model, connection),
    manner: {
      names: ["amazonBedrock", "bedrock"],
      end: FRAMES_END,
      // Only Claude and Nova take them, and the catalogue says which of those.
      cachePoint: ({ id, capabilities }) => (capabilities?.cache && /anthropic|nova/.test(id) ? { cachePoint: { type: "default" } } : undefined),
    },
  })),
})
