/** `server` in the config: whether HTTP listens, where, and who may come in. */
import * as v from "valibot"
import type { Graft } from "graft"
import type { ConfigSection } from "../config/contract.ts"
import type { HttpLimits } from "./contract.ts"

const Count = v.pipe(v.number(), v.integer(), v.minValue(1))
const Origin = v.pipe(v.string(), v.regex(/^https?:\/\/[^/*\s]+(:\*)?$/, 'an origin is expected, e.g. "https://example.org" or "http://localhost:*"'))

const Settings = v.strictObject({
  http: v.optional(v.union([v.boolean(), v.strictObject({ port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535))), host: v.optional(v.pipe(v.string(), v.nonEmpty())) })])),
  hosts: v.optional(v.array(v.pipe(v.string(), v.nonEmpty()))),
  cors: v.optional(v.array(Origin)),
  body: v.optional(Count),
  bodyTimeout: v.optional(Count),
  rate: v.optional(Count),
})
export type ServerSettings = v.InferOutput<typeof Settings>

export const section: ConfigSection = {
  id: "server",
  schema: Settings,
  description: "HTTP: `http` true or { port, host } listens (default: only `graft serve` does), on the loopback unless `host` says otherwise. `hosts`: more names that it is called by; `cors`: origins whose pages may call it; `body`: bytes of a request (1 MiB), whole within `bodyTimeout` ms (30,000); `rate`: requests a second of one address (2,000).",
  live: "now",
}

/** A value that the section refuses has been warned of, and is not here. */
export const settingsOf = async (graft: Graft): Promise<ServerSettings> => (await graft.config.get<ServerSettings>("server")) ?? {}

export const limitsOf = ({ body = 1_048_576, bodyTimeout = 30_000, rate = 2_000 }: ServerSettings): HttpLimits => ({ body, bodyTimeout, rate })
