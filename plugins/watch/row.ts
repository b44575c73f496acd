/** A wrong row is left out alone. */
import { isAbsolute } from "node:path"
import * as v from "valibot"

export const Row = v.looseObject({
  id: v.string(),
  path: v.pipe(v.string(), v.check(isAbsolute, "an absolute path")),
  depth: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
})
