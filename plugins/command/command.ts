/** A sheet as a command. */
import type { Sheet } from "../lib/sheets.ts"
import type { Command } from "./contract.ts"

export function commandOf({ name, file, scope, front, body }: Sheet): Command {
  const { description, "argument-hint": hint } = front
  if (!/^[\w./-]{1,128}$/.test(name)) throw new Error(`"${name}" is no name for a command: letters, digits, ".", "_", "-" and "/"`)
  if (description !== undefined && typeof description !== "string") throw new Error('"description" is a text')
  if (body === "") throw new Error("it says nothing")
  const first = body.split("\n")[0]!.replace(/^#+\s*/, "").slice(0, 120)
  // A list in YAML is how hints are often written: [branch].
  const takes = Array.isArray(hint) ? `[${hint.join(", ")}]` : hint
  return { name, description: (description ?? first).replace(/\s+/g, " ").trim(), ...(typeof takes === "string" && { hint: takes }), file, scope, body }
}

export const factOf = ({ body: _body, ...fact }: Command): Omit<Command, "body"> => fact
