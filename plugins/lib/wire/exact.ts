/**
 * The words of the contracts as schemas, for whatever leaves or enters the process. The contract's type stays the one
 * definition: a schema that says more or less than it does not compile.
 */
import { optional, type GenericSchema, type InferOutput } from "valibot"

/** As it is once it was JSON: nothing is read-only there. */
type Plain<T> = unknown extends T ? T : T extends readonly (infer Item)[] ? Plain<Item>[] : T extends object ? { -readonly [Key in keyof T]: Plain<T[Key]> } : T

type Exact<Said, Meant> = [Said] extends [Meant] ? ([Meant] extends [Said] ? unknown : { "the schema says less than the type": Meant }) : { "the schema says something else than the type": Meant }

export const exactly = <T>() => <S extends GenericSchema>(schema: S & Exact<InferOutput<S>, Plain<T>>): S => schema

export const maybe = <S extends GenericSchema>(schema: S) => optional(schema)
