/** The sections that config itself owns, and what a section must be. */
import * as v from "valibot"
import type { ConfigSection } from "./contract.ts"

export const SectionRow = v.looseObject({
  id: v.pipe(v.string(), v.nonEmpty()),
  schema: v.custom<ConfigSection["schema"]>((value) => typeof (value as Partial<ConfigSection["schema"]> | null)?.["~standard"]?.validate === "function", "a schema of a library that speaks Standard Schema (valibot, zod, arktype) is expected"),
  description: v.string(),
  live: v.optional(v.picklist(["now", "next-turn", "restart"])),
  safe: v.optional(v.boolean()),
})

export const SourceRow = v.looseObject({ id: v.pipe(v.string(), v.nonEmpty()), from: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]*$/)), files: v.function(), read: v.function() })

export const sections: ConfigSection[] = [
  { id: "$schema", schema: v.string(), description: "Where an editor finds the JSON Schema of this file; graft itself does not read it.", safe: true },
  {
    id: "plugins",
    schema: v.record(v.string(), v.union([v.boolean(), v.record(v.string(), v.unknown())], "false, true, or an object of options is expected")),
    description: "Plugins by id: false disables one, an object is its options.",
    live: "now",
  },
  { id: "plugin_roots", schema: v.array(v.pipe(v.string(), v.nonEmpty())), description: 'More directories of plugins, e.g. "~/work/graft-plugins"; a relative one starts at the file it stands in.', live: "now" },
  { id: "offline", schema: v.boolean(), description: "No connection but to the chosen provider.", live: "now" },
]
