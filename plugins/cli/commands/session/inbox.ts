/** What waits in a session's inbox: listed, taken back, or delivered otherwise. */
import type { Asked } from "./session.ts"
import { choose, UsageError } from "../../arguments.ts"
import { EXIT } from "../../dispatch.ts"
import { near } from "../../../lib/near.ts"
import type { Waiting } from "../../../session/contract.ts"
import { oneLine, table } from "../../table.ts"

export async function inbox({ graft, session, terminal, values }: Asked): Promise<number> {
  const waiting = await graft.session.inbox(session.id)
  if (values.json) for (const input of waiting) terminal.out(`${JSON.stringify(input)}\n`)
  else terminal.out(table(waiting.map(({ id, delivery, resume, kind, text, files }) => [id, delivery, resume ? "" : "goes along", kind ?? "", `${oneLine(text, 80)}${files ? ` (+ ${files.map(({ name }) => name).join(", ")})` : ""}`])))
  if (waiting.length === 0) terminal.err("nothing waits\n")
  return EXIT.done
}

export async function cancel(asked: Asked): Promise<number> {
  const { graft, session, terminal } = asked
  const { id } = await inputOf(asked)
  if (!(await graft.session.cancel(session.id, id))) return terminal.err(`${id} waits no more\n`), EXIT.failed
  return terminal.err(`${id} is taken back\n`), EXIT.done
}

export async function deliver(asked: Asked): Promise<number> {
  const { graft, session, terminal, rest: [, word] } = asked
  const { id } = await inputOf(asked)
  const delivery = choose(word, ["steer", "queue"], "delivery")
  if (!(await graft.session.deliver(session.id, id, delivery))) return terminal.err(`${id} waits no more\n`), EXIT.failed
  return terminal.err(delivery === "steer" ? `${id} goes along with the work at its next boundary\n` : `${id} is work of its own, when its turn comes\n`), EXIT.done
}

async function inputOf({ graft, session, rest: [id] }: Asked): Promise<Waiting> {
  const waiting = await graft.session.inbox(session.id)
  const found = id === undefined || id === "" ? [] : waiting.filter((input) => input.id === id || input.id.startsWith(id) || input.id.endsWith(id))
  if (found.length === 1) return found[0]!
  if (id === undefined) throw new UsageError(`say which input: graft session inbox ${session.id} lists them`)
  const could = found.length > 0 ? found.map((input) => input.id) : near(id, waiting.map((input) => input.id))
  throw new UsageError(`no input "${id}" waits in ${session.id}${could.length > 0 ? `; did you mean ${could.join(" or ")}?` : ""}`)
}
