/** A tool: the model can roll dice in its next turn. What does not fit the input is refused before this code runs. */
import { definePlugin } from "graft"
import * as v from "valibot"

export default definePlugin({
  setup(graft) {
    graft.tool.register({
      name: "dice",
      description: "Roll dice. Gives each roll, and the sum.",
      input: v.object({
        sides: v.pipe(v.number(), v.integer(), v.minValue(2), v.description("sides of each die")),
        count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)), 1),
      }),
      // It changes nothing, so nobody has to be asked, and a crash in the middle only means rolling again.
      effects: ["read"],
      execute: ({ sides, count }) => {
        const rolls = Array.from({ length: count }, () => 1 + Math.floor(Math.random() * sides))
        return `${rolls.join(" + ")} = ${rolls.reduce((sum, roll) => sum + roll)}`
      },
    })
  },
})
