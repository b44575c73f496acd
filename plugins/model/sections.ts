/** What the model database reads of the config. The models that a user names stand in `providers.<id>.models.<id>`. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const Ref = v.pipe(v.string(), v.nonEmpty("provider/model, as `graft models` shows it"))

export const sections: ConfigSection[] = [
  { id: "model", schema: Ref, description: "The model of a turn when none is asked for: provider/model, or a model's id.", live: "next-turn" },
  { id: "small_model", schema: Ref, description: "The model for small work such as titles. Default: the small one of the model's provider.", live: "next-turn" },
  {
    id: "catalogue",
    schema: v.strictObject({ refresh: v.optional(v.boolean()), url: v.optional(v.pipe(v.string(), v.url())) }),
    description: "The catalogue of models: `refresh: false` never asks models.dev what is new, `url` asks a mirror of it.",
    live: "now",
  },
]
