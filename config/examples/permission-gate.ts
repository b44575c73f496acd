/** A permission gate: what lies in these places is asked about, whatever the rules allow; only a rule that denies is stronger. */
import { definePlugin } from "graft"
import * as v from "valibot"

const Options = v.object({ places: v.optional(v.array(v.string()), ["migrations/", ".github/"]) })

export default definePlugin({
  options: Options,
  setup(graft) {
    const { places } = graft.options
    graft.on("permission.evaluate", ({ action, resource }) => {
      if (action !== "write" && action !== "edit") return undefined
      const place = places.find((each) => resource.includes(`/${each}`))
      // No answer leaves it to whoever is asked next, and at last to the rules.
      return place === undefined ? undefined : { effect: "ask", rule: `${action}:${place}*`, source: `${graft.id}@${graft.gen}`, reason: `${place} is changed by people` }
    })
  },
})
