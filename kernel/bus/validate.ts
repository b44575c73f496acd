/** Standard Schema, synchronously: what crosses in an event, a slot, a state or an options block is checked before it is believed. */
import { KernelError } from "../errors.ts"
import type { Schema } from "../vocabulary.ts"

/** Gives what the schema makes of a value, or throws, naming the field. Without a schema everything is as it should be. */
export function validate<T>(schema: Schema<T> | undefined, value: unknown, what: string): T {
  if (!schema) return value as T
  const result = schema["~standard"].validate(value)
  if (result instanceof Promise) throw new KernelError("Invalid", `${what}its schema is asynchronous; it must answer at once`)
  if (!result.issues) return result.value as T
  const { path = [], message } = result.issues[0]!
  const field = path.map((step) => String(typeof step === "object" ? step.key : step)).join(".")
  throw new KernelError("Invalid", what + (field ? `${field}: ${message}` : message))
}
