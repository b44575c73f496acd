/** llama.cpp's server, where it runs. */
import { definePlugin } from "graft"
import type { DiscoveryState } from "../lib/discovery.ts"
import { speakToLocal } from "../lib/local-server.ts"

export default definePlugin<DiscoveryState>({
  per: "location",
  state: { version: 1, init: () => ({}) },
  setup: (graft) => speakToLocal(graft, { id: "llamacpp", name: "llama.cpp", url: "http://127.0.0.1:8080", list: async (connection, signal) => (await import("./list.ts")).list(connection, signal) }),
})
