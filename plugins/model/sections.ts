/** What the model database reads of the config. The models that a user names stand in `providers.<id>.models.<id>`. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const Ref = v.pipe(v.string(), v.nonEmpty("provider/model, as `graft models` shows it"))
const Chain = v.union([Ref, v.pipe(v.array(Ref), v.minLength(1))], "provider/model, or a list of them: the first that can be used")
const Pattern = v.pipe(v.string(), v.regex(/^!?[^!\s]+$/, 'a pattern such as "anthropic/*", with "!" before it to take back an earlier one'))

export const sections: ConfigSection[] = [
  { id: "model", schema: Chain, description: "The model of a turn when none is asked for: provider/model, or a model's id or name, with `:high` behind it a variant of it. Of a list the first that can be used, and the next ones where it fails.", live: "next-turn" },
  { id: "small_model", schema: Chain, description: "The model for small work such as titles. Default: the small one of the model's provider.", live: "next-turn" },
  {
    id: "models",
    schema: v.strictObject({ allow: v.optional(v.array(Pattern)), deny: v.optional(v.array(Pattern)), agents: v.optional(v.record(v.string(), Chain)) }),
    description: 'Which models may be used: `allow` and `deny` are patterns over provider/id (a bare word is a provider); the last that fits decides, "!" takes back. `agents`: the model of each agent, by its id.',
    live: "now",
  },
  {
    id: "catalogue",
    schema: v.strictObject({ refresh: v.optional(v.boolean()), url: v.optional(v.pipe(v.string(), v.url())) }),
    description: "The catalogue of models: `refresh: false` never asks models.dev what is new, `url` asks a mirror of it.",
    live: "now",
  },
]
