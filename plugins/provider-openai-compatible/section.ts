/** `providers` of the config: endpoints of one's own, and what a vendor's plugin is to do otherwise. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const text = v.pipe(v.string(), v.nonEmpty())

const Entry = v.strictObject({
  url: v.optional(text),
  key: v.optional(text),
  name: v.optional(text),
  headers: v.optional(v.record(v.string(), v.string())),
  /** The model database reads these; it names the field that is wrong. */
  models: v.optional(v.record(v.string(), v.record(v.string(), v.unknown()))),
})

export const section: ConfigSection = {
  id: "providers",
  schema: v.record(v.pipe(v.string(), v.regex(/^[^\s/]+$/, 'a provider\'s id, without "/" and spaces')), Entry),
  description: 'Providers by id: `url` of an OpenAI-compatible endpoint (most end in /v1), `key` such as "{env:NAME}", `headers`, `name`, and `models` by id with what is known of them. For anthropic and openai the same keys change what their plugins do.',
  live: "now",
}
