/** The narrow, typed dispatcher: one provider turn in, one stream of parts out. No tool loop here, and no retry. */
import * as v from "valibot"
import { definePlugin } from "graft"
import { IDLE, makeLlm, type Options } from "./turn.ts"

/** Node itself gives up a response after five minutes of silence. */
const schema = v.strictObject({ idle: v.optional(v.pipe(v.number(), v.minValue(1_000), v.maxValue(300_000)), IDLE) })

export default definePlugin<unknown, Options>({
  per: "location",
  options: schema,
  setup(graft) {
    graft.onOptions(() => {})
    graft.provide("llm", makeLlm(graft))
  },
})
