/** What a row of the slot `route` has to be: what is no route is refused where it is registered, and not when somebody asks. */
import * as v from "valibot"
import type { Schema } from "graft"

const Shape = v.custom<Schema>((value) => typeof (value as Partial<Schema> | null)?.["~standard"]?.validate === "function", "a schema of a library that speaks Standard Schema (valibot, zod, arktype) is expected")

export const RouteRow = v.pipe(v.looseObject({
  method: v.picklist(["GET", "POST", "PUT", "PATCH", "DELETE"]),
  path: v.pipe(v.string(), v.regex(/^(\/(:[a-zA-Z]\w*|[a-zA-Z0-9._~-]+))+$/, 'a path is expected, e.g. "/weather/:city"')),
  id: v.pipe(v.string(), v.regex(/^[a-zA-Z]\w*\.[a-zA-Z]\w*$/, 'an id is "noun.verb"')),
  summary: v.pipe(v.string(), v.nonEmpty()),
  description: v.optional(v.string()),
  input: v.optional(Shape),
  output: v.optional(Shape),
  accepts: v.optional(v.literal("application/x-ndjson")),
  produces: v.optional(v.literal("application/x-ndjson")),
  errors: v.optional(v.record(v.string(), v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599)))),
  deadline: v.optional(v.pipe(v.number(), v.minValue(1))),
  handler: v.custom<(...given: never[]) => unknown>((value) => typeof value === "function", "a function is expected"),
}), v.check(({ path, input }) => input !== undefined || !path.includes(":"), "what its path names is given by its input: an input is expected"))
