/** `mcp` in the config: one block a server; and `plugins.mcp`, what holds for all of them. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const Text = v.pipe(v.string(), v.nonEmpty("not empty"))
const Texts = v.record(v.string(), v.string())

/** Neither a command nor a URL: the rest of a block whose server stands in another file, and may be gone from there. */
export const Settings = v.pipe(v.strictObject({
  command: v.optional(Text),
  args: v.optional(v.array(v.string())),
  env: v.optional(Texts),
  cwd: v.optional(Text),
  url: v.optional(Text),
  headers: v.optional(Texts),
  enabled: v.optional(v.boolean()),
  timeout: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(3_600), v.description("Seconds that a call may go without news"))),
  tools: v.optional(v.array(Text)),
  instructions: v.optional(v.boolean()),
  oauth: v.optional(v.strictObject({
    client: v.optional(v.strictObject({ id: Text, secret: v.optional(Text) })),
    scopes: v.optional(v.array(Text)),
    port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535), v.description("Of 127.0.0.1, where the client is registered with one"))),
  })),
}), v.check(({ command, url }) => command === undefined || url === undefined, 'either a "command" or a "url"'))
export type Settings = v.InferOutput<typeof Settings>

/** `plugins.mcp`. `many`: tools that are offered at once; of more, those that are needed are found first. */
export const Options = v.strictObject({ many: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000)), 40) })
export type McpOptions = v.InferOutput<typeof Options>

export const section: ConfigSection = {
  id: "mcp",
  schema: v.record(v.string(), Settings),
  description: 'MCP servers by name: { "command": "npx", "args": ["-y", "…"], "env": {}, "cwd": "." } or { "url": "https://…/mcp", "headers": { "authorization": "Bearer {env:TOKEN}" } }; with "enabled": false, "timeout" (seconds), and "tools": patterns of those to offer, "!" before what is not. "instructions": false keeps what it says of itself out of the prompt; "oauth": { "client": { "id", "secret" }, "scopes", "port" } where a login (graft mcp login) needs them.',
  live: "now",
  safe: false,
}
