/** `web` in the config. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

export interface Web { private?: string[] }

export const section: ConfigSection = {
  id: "web",
  schema: v.strictObject({ private: v.optional(v.array(v.pipe(v.string(), v.nonEmpty("a host name or address")))) }),
  description: 'Hosts of this machine or its network that pages may be fetched from, e.g. ["localhost", "docs.corp.example"]. All others of them are refused.',
  live: "now",
  safe: false,
}
