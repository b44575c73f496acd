/** A cost budget: when a day has cost so much, nothing new is begun. What is under way ends. */
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({ dollars: v.optional(v.pipe(v.number(), v.minValue(0)), 5) })
const today = () => new Date().toISOString().slice(0, 10)

export default definePlugin<{ day: string; spent: number }, v.InferOutput<typeof Options>>({
  per: "process",
  options: Options,
  // State outlives each save of this file, and is checked and moved on when its shape changes.
  state: { version: 1, schema: v.object({ day: v.string(), spent: v.number() }), init: () => ({ day: today(), spent: 0 }) },
  setup(graft) {
    // Options are read where they are used, so another budget holds at once.
    graft.onOptions(() => {})
    const spent = () => (graft.state.value.day === today() ? graft.state.value.spent : 0)

    graft.on("message.settled", ({ data: { usage } }) => {
      const sum = spent() + (usage?.cost ?? 0)
      graft.state.update(() => ({ day: today(), spent: sum }))
    })
    graft.on("input.admit", () => {
      const { dollars } = graft.options
      return spent() < dollars ? undefined : { refuse: `today has cost $${spent().toFixed(2)}, and the budget is $${dollars}: plugins.budget.dollars in your config` }
    })
  },
})
