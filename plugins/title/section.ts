/** `title` of the config. */
import * as v from "valibot"
import type { Graft } from "graft"
import type { ConfigSection } from "../config/contract.ts"

const Settings = v.strictObject({ auto: v.optional(v.boolean(), true), model: v.optional(v.pipe(v.string(), v.nonEmpty("provider/model, as `graft models` shows it"))) })
export type Settings = v.InferOutput<typeof Settings>

export const section: ConfigSection = {
  id: "title",
  schema: Settings,
  description: "Titles of sessions: `auto: false` leaves them at the first words of what was asked; `model` writes them (default: `small_model`, else the small model of the session's own provider, where it has one).",
  live: "now",
}

/** Without a config, and for what no longer is as it was checked, the defaults. */
export async function settingsOf({ config, location }: Pick<Graft, "config" | "location">): Promise<Settings> {
  const parsed = v.safeParse(Settings, (await config.get("title", location).catch(() => undefined)) ?? {})
  return parsed.success ? parsed.output : v.parse(Settings, {})
}
