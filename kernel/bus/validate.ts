/** Standard Schema, synchronously: what crosses in an event, a slot or an options block is checked before it is believed. */
import type { Schema } from "../vocabulary.ts"

export type Checked<T> = { ok: true; value: T } | { ok: false; message: string }

/** Without a schema everything is as it should be. */
export function validate<T>(schema: Schema<T> | undefined, value: unknown): Checked<T> {
  if (!schema) return { ok: true, value: value as T }
  const result = schema["~standard"].validate(value)
  if (result instanceof Promise) return { ok: false, message: "its schema is asynchronous; it must answer at once" }
  if (!result.issues) return { ok: true, value: result.value as T }
  const issue = result.issues[0]!
  const path = (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".")
  return { ok: false, message: path ? `${path}: ${issue.message}` : issue.message }
}
