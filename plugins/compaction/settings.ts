/** `compaction` of the config. */
import * as v from "valibot"
import type { Graft } from "graft"
import type { ConfigSection } from "../config/contract.ts"

const tokens = v.pipe(v.number(), v.integer(), v.minValue(1))

const Settings = v.strictObject({
  auto: v.optional(v.boolean(), true),
  threshold: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(0.99)), 0.9),
  reserve: v.optional(tokens),
  keep: v.optional(v.strictObject({ turns: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 8), tokens: v.optional(tokens, 20_000) }), {}),
  model: v.optional(v.pipe(v.string(), v.nonEmpty("provider/model, as `graft models` shows it"))),
})
export type Settings = v.InferOutput<typeof Settings>

export const section: ConfigSection = {
  id: "compaction",
  schema: Settings,
  description: "When and how a long conversation is folded into a summary: `auto` before it no longer fits; `threshold`, the share of the model's context at which that is (0.9); `reserve`, tokens left free for the answer; `keep: { turns, tokens }`, how much of the end stays as it is (at most 8 turns, 20,000 tokens); `model`, who writes the summary (the session's).",
  live: "next-turn",
}

/** Without a config, and for what no longer is as it was checked, the defaults. */
export async function settingsOf({ config, location }: Pick<Graft, "config" | "location">): Promise<Settings> {
  const parsed = v.safeParse(Settings, (await config.get("compaction", location).catch(() => undefined)) ?? {})
  return parsed.success ? parsed.output : v.parse(Settings, {})
}
