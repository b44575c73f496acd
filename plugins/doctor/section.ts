/** `retention` in the config. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const Count = v.pipe(v.number(), v.integer(), v.minValue(1))

export const section: ConfigSection = {
  id: "retention",
  schema: v.strictObject({ days: v.optional(Count), sessions: v.optional(Count), archivedOnly: v.optional(v.boolean()) }),
  description: "Which sessions `graft db prune` takes away: `days` without a change, all but the latest `sessions`, of those only what is archived (`archivedOnly`). Without one of the first two: none. A session that works or waits is never taken.",
  live: "now",
}

export interface Retention { days?: number; sessions?: number; archivedOnly?: boolean }
