/** Looks after the database: is it whole, how large is it, what may go, and a copy of it; and tells what the CPU does. */
import { definePlugin } from "graft"
import { section } from "./section.ts"

export default definePlugin({
  per: "process",
  needs: ["store", "eventlog", "session", "config"],
  setup(graft) {
    graft.add("configSection", section)
    graft.provide("doctor", {
      check: async (options) => (await import("./check.ts")).check(graft, options),
      prune: async (options) => (await import("./prune.ts")).prune(graft, options),
      stats: async () => (await import("./stats.ts")).stats(graft),
      profile: async (options) => (await import("./profile.ts")).profile(graft, options),
      backup: async (file) => ({ file, ...(await graft.store.backup(file)) }),
    })
  },
})
