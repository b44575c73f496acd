/** Commands that plugins bring, beside those in files and in the config, which come before them. */
import { messageOf, type Row } from "graft"
import * as v from "valibot"
import type { Command, CommandRow, Commands } from "./contract.ts"
import { CommandError } from "./expand.ts"

export const CommandShape = v.looseObject({
  name: v.pipe(v.string(), v.regex(/^[\w./-]{1,128}$/, 'a name has letters, digits, ".", "_", "-" and "/"')),
  description: v.string(),
  expand: v.function("gives the prompt"),
})

export function brought(rows: readonly Row<CommandRow>[], made: Map<string, Command>): void {
  for (const { item: { name, description, hint } } of rows) if (!made.has(name)) made.set(name, { name, description, ...(hint !== undefined && { hint }), file: "", scope: "user", body: "" })
}

/** Undefined where the text is none of them, or something else has its name. */
export async function expandRow(rows: readonly Row<CommandRow>[], commands: readonly Command[], text: string, context: Parameters<Commands["expand"]>[1]): Promise<string | undefined> {
  const [, name, given = ""] = /^\/([\w./-]+)(?:\s+([\s\S]*))?$/.exec(text.trim()) ?? []
  const row = commands.some((command) => command.name === name && command.body === "") ? rows.find(({ item }) => item.name === name) : undefined
  if (!row) return undefined
  return row.run(() => row.item.expand(given.trim(), context)).catch((error: unknown) => { throw new CommandError("command.failed", `/${name}: ${messageOf(error)}`) })
}
