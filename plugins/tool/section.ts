/** `tools` in the config. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"

const most = (value: number) => v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(value)))
const Bounds = v.strictObject({ lines: most(1_000_000), bytes: most(32 * 1024 * 1024), seconds: most(86_400) })

export type Bounds = v.InferOutput<typeof Bounds>

export const section: ConfigSection = {
  id: "tools",
  schema: v.record(v.string(), Bounds),
  description: 'Bounds of a tool by its name: how much of its output a model reads at once ("lines", "bytes"; the rest is kept, and read on), and how long it may take ("seconds"), e.g. { "bash": { "lines": 500, "seconds": 1800 } }.',
  live: "now",
  safe: false,
}
