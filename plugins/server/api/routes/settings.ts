/** The configuration: what holds, why, and a way to change it. */
import * as v from "valibot"
import { locationOf, type Graft } from "graft"
import { ConfigWarning, Explanation } from "../../../lib/wire/setup.ts"
import type { Route } from "../../contract.ts"
import { define } from "../call.ts"
import { codes } from "../errors.ts"
import { Line, some } from "./fields.ts"

const Path = v.pipe(Line, v.description("Dotted; a dot inside a key is written \\."))
const ByPath = v.strictObject({ path: Path })

export const settings = (graft: Graft): Route[] => [
  define({ id: "config.get", method: "GET", path: "/config", summary: "The value at a path; absent: it is not set. Secrets are masked", input: ByPath, output: v.object({ value: some(v.unknown()) }), errors: codes("config.path"), async handler({ path }, { directory, project }) { await project(); return { value: (await graft.config.explain(path, locationOf(directory))).value } } }),
  define({ id: "config.explain", method: "GET", path: "/config/explain", summary: "Who set it, and who set it in vain", input: ByPath, output: Explanation, errors: codes("config.path"), async handler({ path }, { directory, project }) { await project(); return graft.config.explain(path, locationOf(directory)) } }),
  define({
    id: "config.set", method: "PUT", path: "/config", summary: "Edits the user's or the project's file, keeping its comments; without a value the key is taken out", input: v.strictObject({ path: Path, value: some(v.unknown()), layer: some(v.picklist(["user", "project"])) }), output: v.object({ file: v.string(), line: v.number() }), errors: codes("config.path", "config.value", "config.broken", "config.unwritable", "config.busy", "config.location"),
    async handler({ path, value, layer = "user" }, { directory, project }) { await project(); return graft.config.set(path, value, { layer, ...(layer === "project" && { location: locationOf(directory) }) }) },
  }),
  define({ id: "config.warnings", method: "GET", path: "/config/warnings", summary: "What is wrong with the files", output: v.array(ConfigWarning), async handler(_, { directory, project }) { await project(); return graft.config.warnings(locationOf(directory)) } }),
  define({ id: "config.schema", method: "GET", path: "/config/schema", summary: "The JSON Schema of the file, for an editor", output: v.record(v.string(), v.unknown()), async handler(_, { directory, project }) { await project(); return graft.config.schema(locationOf(directory)) } }),
]
