/** Folds the older part of a conversation into a summary, before it no longer fits or when somebody says so. */
import * as v from "valibot"
import { definePlugin } from "graft"
import { newBreaker, type Breaker } from "./breaker.ts"
import { makeCompaction } from "./fold.ts"
import { section } from "./settings.ts"

export default definePlugin<Breaker>({
  per: "location",
  state: { version: 1, init: newBreaker },
  slots: { compactor: { schema: v.looseObject({ id: v.pipe(v.string(), v.nonEmpty()), fold: v.function() }) } },
  events: { "session.compaction.delta": { cap: 20_000 } },
  setup(graft) {
    graft.add("configSection", section)
    graft.provide("compaction", makeCompaction(graft))
  },
})
