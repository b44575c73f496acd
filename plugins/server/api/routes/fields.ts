/** Fields that many routes ask for. Unknown ones are refused: a typing error is told, not ignored. */
import * as v from "valibot"

/** No system call takes a NUL byte, and no name has one. */
const clean = v.regex(/^[^\0]*$/, "it has a NUL byte in it")

export const Id = v.pipe(v.string(), v.nonEmpty(), v.maxLength(200), clean)
export const Text = v.pipe(v.string(), v.maxLength(1_048_576))
export const Line = v.pipe(v.string(), v.nonEmpty(), v.maxLength(4_096), clean)
export const Flag = v.optional(v.boolean())
export const Limit = (most: number) => v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most)))
export const Offset = v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)))
/** May be left out. `about`: what it means, where its name does not say so. */
export const some = <S extends v.GenericSchema>(schema: S, about?: string): v.OptionalSchema<S, undefined> => v.optional(about === undefined ? schema : (v.pipe(schema, v.description(about)) as unknown as S))

export const ById = v.strictObject({ id: Id })
