/** `lsp` in the config: whether there are language servers at all, and one block a server. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const Extension = v.pipe(v.string(), v.startsWith(".", 'with the dot, e.g. ".ts"'))

/** Of a server that is known, what it says takes the place of what is known. */
export const Settings = v.strictObject({
  enabled: v.optional(v.boolean()),
  command: v.optional(v.pipe(v.array(v.string()), v.minLength(1, "a program, and what it is told"))),
  extensions: v.optional(v.union([v.array(Extension), v.record(Extension, v.string())])),
  env: v.optional(v.record(v.string(), v.string())),
  initialization: v.optional(v.unknown()),
  settings: v.optional(v.record(v.string(), v.unknown())),
})
export type Settings = v.InferOutput<typeof Settings>
export const LspConfig = v.union([v.boolean(), v.record(v.string(), Settings)])

export const section: ConfigSection = {
  id: "lsp",
  schema: LspConfig,
  description: 'true: language servers that are installed say what is wrong with files that were changed. Or by name: { "pyright": { "enabled": false } }, { "mine": { "command": ["mine", "--stdio"], "extensions": { ".x": "x" } } }, with "env", "initialization" and "settings". Absent or false: there are none.',
  live: "now",
  safe: false,
}
