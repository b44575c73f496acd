/** Brave's search as an engine of `websearch`, while there is a key (https://api-dashboard.search.brave.com/app/documentation/web-search/get-started). */
import { definePlugin, type Graft } from "graft"
import type { AuthMethod } from "../auth/contract.ts"
import { presence } from "../lib/presence.ts"
import { brave, section, type Settings } from "./brave.ts"

const METHOD: AuthMethod = { id: "brave.key", provider: "brave", kind: "key", label: "Brave Search API key", env: ["BRAVE_API_KEY"], url: "https://api-dashboard.search.brave.com" }

export default definePlugin({
  per: "location",
  async setup(graft) {
    graft.add("authMethod", METHOD)
    graft.add("configSection", section)
    const key = async () => (await graft.auth.get("brave", [METHOD]))?.secret
    const look = presence(graft, async () => (await key()) !== undefined, () => graft.add("searchEngine", brave({ key, settings: () => settingsOf(graft) })))
    for (const event of ["auth.added", "auth.removed"] as const) graft.on(event, ({ provider }: { provider: string }) => (provider === "brave" ? look() : undefined))
    await look()
  },
})

const settingsOf = async (graft: Graft): Promise<Settings> => (await graft.config.get<Settings>("brave", graft.location)) ?? {}
