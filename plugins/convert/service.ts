/** The service `convert`. What it needs is imported when somebody asks. */
import type { Graft } from "graft"
import type { Convert } from "./contract.ts"
import { AGENTS } from "./places.ts"

export const makeConvert = (graft: Graft): Convert => ({
  agents: async () => [...AGENTS],
  plan: async (question) => (await import("./migrate.ts")).plan(graft, question),
  migrate: async (question) => (await import("./migrate.ts")).migrate(graft, question),
  credentials: async (question) => (await import("./credentials.ts")).list(question),
  adopt: async (credential) => (await import("./credentials.ts")).adopt(graft, credential),
})
