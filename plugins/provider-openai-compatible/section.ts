/** `providers` of the config: endpoints of one's own, and what a vendor's plugin is to do otherwise. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const text = v.pipe(v.string(), v.nonEmpty())

const Entry = v.strictObject({
  url: v.optional(text),
  key: v.optional(text),
  name: v.optional(text),
  headers: v.optional(v.record(v.string(), v.string())),
  /** Added to the body of each request. */
  body: v.optional(v.record(v.string(), v.unknown())),
  region: v.optional(text),
  project: v.optional(text),
  profile: v.optional(text),
  resource: v.optional(text),
  version: v.optional(text),
  /** The model database reads these; it names the field that is wrong. */
  models: v.optional(v.record(v.string(), v.record(v.string(), v.unknown()))),
})

export const section: ConfigSection = {
  id: "providers",
  schema: v.record(v.pipe(v.string(), v.regex(/^[^\s/]+$/, 'a provider\'s id, without "/" and spaces')), Entry),
  description: 'Providers by id: `url` of an OpenAI-compatible endpoint (most end in /v1), `key` such as "{env:NAME}", `headers`, `body` (fields added to each request), `name`, and `models` by id with what is known of them. For providers with a plugin of their own the same keys change what it does, and some take more: `region`, `profile`, `project`, `resource`, `version`.',
  live: "now",
}

/** A row of the slot `endpoint`. */
export const EndpointRows = v.looseObject({
  id: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]*$/i, "an id of letters, digits, \".\", \"_\" and \"-\"")),
  name: v.optional(text),
  url: v.pipe(v.string(), v.regex(/^https?:\/\//, "an http URL; most end in /v1")),
  env: v.optional(v.array(text)),
  page: v.optional(text),
})
