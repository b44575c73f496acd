/** `auth` in the config. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const Settings = v.strictObject({ store: v.optional(v.picklist(["auto", "keychain", "file"])) })
export type AuthSettings = v.InferOutput<typeof Settings>

export const section: ConfigSection = {
  id: "auth",
  schema: Settings,
  description: '`store`: where secrets are kept: "file" (private, in the data directory), "keychain" (the system\'s), or "auto": the keychain where there is one, unless this home was put elsewhere (GRAFT_HOME). A change moves them.',
  live: "now",
}
