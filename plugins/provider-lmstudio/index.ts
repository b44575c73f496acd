/** LM Studio, where its server runs. */
import { definePlugin } from "graft"
import type { DiscoveryState } from "../lib/discovery.ts"
import { speakToLocal } from "../lib/local-server.ts"

export default definePlugin<DiscoveryState>({
  per: "location",
  state: { version: 1, init: () => ({}) },
  setup: (graft) => speakToLocal(graft, { id: "lmstudio", name: "LM Studio", url: "http://127.0.0.1:1234", list: async (connection, signal) => (await import("./list.ts")).list(connection, signal) }),
})
