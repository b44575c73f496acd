/** The models of a GitHub Copilot subscription, which says itself what it has. */
import { definePlugin } from "graft"
import { discover, type DiscoveryState } from "../lib/discovery.ts"
import { speakFor } from "../lib/vendor.ts"
import { deviceLogin } from "./login.ts"

export default definePlugin<DiscoveryState>({
  per: "location",
  state: { version: 1, init: () => ({}) },
  async setup(graft) {
    const { ready, connect } = await speakFor(graft, {
      id: "github-copilot",
      name: "GitHub Copilot",
      methods: [{ id: "github-copilot.key", provider: "github-copilot", kind: "key", label: "GitHub token of a Copilot login", env: ["COPILOT_GITHUB_TOKEN", "GITHUB_COPILOT_TOKEN"], url: "https://github.com/settings/copilot" }, deviceLogin()],
      defaultModel: "claude-sonnet-5.5",
      smallModel: "claude-haiku-5.5",
      languageModel: async (model, connection) => (await import("./language-model.ts")).languageModel(model, connection),
    })
    discover(graft, { provider: "github-copilot", ready, ask: async (signal) => (await import("./list.ts")).list(await connect(), signal) })
  },
})
