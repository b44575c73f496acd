/** A sheet as a skill. */
import type { Sheet } from "../lib/sheets.ts"
import type { Skill } from "./contract.ts"

/** Characters that a description may add to every request. */
const MOST_DESCRIPTION = 1_024

export function skillOf({ name: folder, file, scope, front, body }: Sheet): Skill {
  const { name = folder, description } = front
  if (typeof name !== "string" || !/^[\w.-]{1,64}$/.test(name)) throw new Error(`"name" is letters, digits, ".", "_" and "-", at most 64 of them`)
  if (typeof description !== "string" || description.trim() === "") throw new Error('"description" is missing: when is it of use?')
  if (body === "") throw new Error("it says nothing below its description")
  return { name, description: description.replace(/\s+/g, " ").trim().slice(0, MOST_DESCRIPTION).toWellFormed(), file, scope, body }
}

export const factOf = ({ body: _body, ...fact }: Skill): Omit<Skill, "body"> => fact
