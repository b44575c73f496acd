/** Commands that plugins bring, beside those in files; of one name the file counts. */
import { messageOf, type Graft, type Row, type RowChange } from "graft"
import * as v from "valibot"
import type { Command, CommandRow, Commands } from "./contract.ts"
import { CommandError } from "./expand.ts"

export const CommandShape = v.looseObject({
  name: v.pipe(v.string(), v.regex(/^[\w./-]{1,128}$/, 'a name has letters, digits, ".", "_", "-" and "/"')),
  description: v.string(),
  expand: v.function("gives the prompt"),
})

export const commandOfRow = ({ name, description, hint }: CommandRow): Command => ({ name, description, ...(hint !== undefined && { hint }), file: "", scope: "user", body: "" })

/** Those of files first: a plugin's is told of only where no file hides it. */
export function withRows(files: readonly Command[], rows: readonly Row<CommandRow>[]): Command[] {
  const taken = new Set(files.map(({ name }) => name))
  return [...files, ...rows.flatMap(({ item }) => (taken.has(item.name) ? [] : commandOfRow(item)))].sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function expandRow(rows: readonly Row<CommandRow>[], text: string, context: Parameters<Commands["expand"]>[1]): Promise<string | undefined> {
  const [, name, given = ""] = /^\/([\w./-]+)(?:\s+([\s\S]*))?$/.exec(text.trim()) ?? []
  const row = rows.find(({ item }) => item.name === name)
  if (!row) return undefined
  return row.run(() => row.item.expand(given.trim(), context)).catch((error: unknown) => { throw new CommandError("command.failed", `/${name}: ${messageOf(error)}`) })
}

export function tellRows(graft: Graft, { added, updated, removed }: RowChange<CommandRow>): void {
  for (const { item } of added) graft.emit("command.added", { command: factOfRow(item) })
  for (const { to: { item } } of updated) graft.emit("command.updated", { command: factOfRow(item) })
  for (const { item } of removed) graft.emit("command.removed", { name: item.name })
}

const factOfRow = (row: CommandRow): Omit<Command, "body"> => {
  const { body: _body, ...fact } = commandOfRow(row)
  return fact
}
