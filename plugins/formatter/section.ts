/** `formatter` in the config: false, or one block a formatter. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const Text = v.pipe(v.string(), v.nonEmpty("not empty"))

/** Of a formatter that is known, what it says takes the place of what is known. */
export const Settings = v.strictObject({
  enabled: v.optional(v.boolean()),
  command: v.optional(v.pipe(v.array(v.string()), v.minLength(1, "a program, and what it is told"))),
  extensions: v.optional(v.array(v.pipe(Text, v.startsWith(".", 'with the dot, e.g. ".ts"')))),
  env: v.optional(v.record(v.string(), v.string())),
  rewrites: v.optional(v.boolean()),
})
export type Settings = v.InferOutput<typeof Settings>
export const FormatterConfig = v.union([v.boolean(), v.record(v.string(), Settings)])

export const section: ConfigSection = {
  id: "formatter",
  schema: FormatterConfig,
  description: 'false: files are left as they are written. Or formatters by name: { "prettier": { "enabled": false } }, { "mine": { "command": ["mine", "$FILE"], "extensions": [".x"] } }: text on stdin and stdout, or with "rewrites": true a program that rewrites $FILE.',
  live: "now",
  safe: false,
}
