import { definePlugin } from "graft"
import * as v from "valibot"

export default definePlugin({
  setup(graft) {
    graft.tool.register({
      name: "dice", description: "Roll a die",
      input: v.object({ sides: v.pipe(v.number(), v.integer(), v.minValue(2)) }),
      effects: ["read"],
      execute: ({ sides }) => `rolled ${1 + Math.floor(Math.random() * sides)}`,
    })
  },
})
