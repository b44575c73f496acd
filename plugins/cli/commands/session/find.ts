/** `graft session search`: where something was said. */
import type { Asked } from "./session.ts"
import { UsageError } from "../../arguments.ts"
import { EXIT } from "../../dispatch.ts"
import { ago, oneLine, table } from "../../table.ts"

export async function search({ graft, terminal, location, rest, values }: Omit<Asked, "session">): Promise<number> {
  const text = rest.join(" ").trim()
  if (text === "") throw new UsageError("say what is looked for: graft session search <words>")
  const limit = Number(values.limit ?? 20)
  if (!Number.isInteger(limit) || limit < 1) throw new UsageError(`--limit is a number from 1, not "${values.limit}"`)
  const found = await graft.session.search(text, { limit, ...(!values.all && { location }) })
  if (values.json) for (const hit of found) terminal.out(`${JSON.stringify(hit)}\n`)
  else terminal.out(table(found.map(({ session, message, snippet, created }) => [session, ago(created), message ?? "title", oneLine(snippet, 160)]), terminal.interactive ? terminal.columns : undefined))
  if (found.length > 0) return EXIT.done
  terminal.err(`nothing was found${values.all ? "" : " in this project; --all looks everywhere"}\n`)
  return EXIT.failed
}
