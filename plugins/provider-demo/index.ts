/** The built-in demo: an offline, rule-based stand-in for a model, so that everything works before there is a key. */
import * as v from "valibot"
import { definePlugin } from "graft"
import { makeDemo, MODEL, PROVIDER } from "./language-model.ts"

const Options = v.strictObject({ delay: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1_000)), 0), about: v.optional(v.boolean(), true) })

export default definePlugin<unknown, v.InferOutput<typeof Options>>({
  per: "location",
  options: Options,
  setup(graft) {
    graft.onOptions(() => {})
    graft.add("model", { id: MODEL, provider: PROVIDER, name: "Demo (rules, no model)", capabilities: { tools: true, parallelTools: true, reasoning: true }, cost: { input: 0, output: 0 }, status: "active" })
    graft.add("provider", { id: PROVIDER, name: "Built-in demo", ready: true, rank: 0, defaultModel: MODEL, languageModel: () => makeDemo(() => graft.options.delay, () => graft.options.about) })
  },
})
