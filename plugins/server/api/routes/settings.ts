/** The configuration: what holds, why, and a way to change it. */
import * as v from "valibot"
import { locationOf, type Graft } from "graft"
import { ConfigWarning, Explanation } from "../../../lib/wire/setup.ts"
import type { Route } from "../../contract.ts"
import { define, type Call } from "../call.ts"
import { codes } from "../errors.ts"
import { Line, some } from "./fields.ts"

const Path = v.pipe(Line, v.description("Dotted; a dot inside a key is written \\."))
const ByPath = v.strictObject({ path: Path })

/** The project is open meanwhile, so that what its plugins add to the config is known. */
async function placeOf({ directory, project }: Call): Promise<string> {
  await project()
  return locationOf(directory)
}

export const settings = (graft: Graft): Route[] => [
  define({
    id: "config.get", method: "GET", path: "/config", summary: "The value at a path; absent: it is not set. Secrets are masked",
    input: ByPath,
    output: v.object({ value: some(v.unknown()) }), errors: codes("config.path"),
    handler: async ({ path }, call) => ({ value: (await graft.config.explain(path, await placeOf(call))).value }),
  }),
  define({
    id: "config.explain", method: "GET", path: "/config/explain", summary: "Who set it, and who set it in vain",
    input: ByPath,
    output: Explanation, errors: codes("config.path"),
    handler: async ({ path }, call) => graft.config.explain(path, await placeOf(call)),
  }),
  define({
    id: "config.set", method: "PUT", path: "/config", summary: "Edits the user's or the project's file, keeping its comments; without a value the key is taken out",
    input: v.strictObject({ path: Path, value: some(v.unknown()), layer: some(v.picklist(["user", "project"])) }),
    output: v.object({ file: v.string(), line: v.number() }), errors: codes("config.path", "config.value", "config.broken", "config.unwritable", "config.busy", "config.location"),
    async handler({ path, value, layer = "user" }, call) {
      const location = await placeOf(call)
      return graft.config.set(path, value, { layer, ...(layer === "project" && { location }) })
    },
  }),
  define({
    id: "config.warnings", method: "GET", path: "/config/warnings", summary: "What is wrong with the files",
    output: v.array(ConfigWarning),
    handler: async (_, call) => graft.config.warnings(await placeOf(call)),
  }),
  define({
    id: "config.schema", method: "GET", path: "/config/schema", summary: "The JSON Schema of the file, for an editor",
    output: v.record(v.string(), v.unknown()),
    handler: async (_, call) => graft.config.schema(await placeOf(call)),
  }),
]
