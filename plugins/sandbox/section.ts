/** `sandbox` in the config, in its short and its long form, and what both mean. */
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"
import type { SandboxMode } from "./contract.ts"

const Mode = v.picklist(["off", "auto", "require"])
const Settings = v.strictObject({
  mode: v.optional(Mode),
  network: v.optional(v.union([v.picklist(["on", "off"]), v.array(v.string())])),
  write: v.optional(v.array(v.string())),
})

export const section: ConfigSection = {
  id: "sandbox",
  schema: v.union([Mode, Settings], 'is "off", "auto", "require", or { "mode", "network": "on" | "off", "write": [paths] }'),
  description: 'Confines the commands of a model (Linux, bubblewrap): they write only to the project, to /tmp and to "write" (paths), and with "network": "off" have no network. "auto": where the system can; "require": else no command runs; "off", the default. Short: "sandbox": "auto".',
  live: "now",
  safe: false,
}

export interface Wanted { mode: SandboxMode; network: "on" | "off" | string[]; write: readonly string[] }

export function wantedOf(value: unknown): Wanted {
  const given = value === undefined ? {} : v.parse(section.schema as typeof Settings | typeof Mode, value)
  const { mode = "off", network = "on", write = [] } = typeof given === "string" ? { mode: given } : given as v.InferOutput<typeof Settings>
  return { mode, network, write }
}
