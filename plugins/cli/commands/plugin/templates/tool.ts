/** A tool: the model sees its name, its description and its input, and may call it. Save this file and it is live. */
import { definePlugin } from "graft"
import * as v from "valibot"

export default definePlugin({
  setup(graft) {
    graft.tool.register({
      name: "NAME",
      description: "Rolls a die with so many sides",
      input: v.object({ sides: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(1_000)) }),
      // It only looks: no permission is asked for. Leave this out, or say "write", "run" or "net", where that is not so.
      effects: ["read"],
      execute: ({ sides }) => `rolled ${1 + Math.floor(Math.random() * sides)}`,
    })
  },
})
