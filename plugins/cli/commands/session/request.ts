/** What was sent to the provider in one attempt, made again from the log: nothing reaches a model that is not in there. */
import type { Asked } from "./session.ts"
import { UsageError } from "../../arguments.ts"
import { EXIT } from "../../dispatch.ts"

export async function request({ graft, session, terminal, rest: [attempt] }: Asked): Promise<number> {
  if (attempt === undefined) throw new UsageError(`say which attempt, such as a1.2.1 (activity, turn, try): graft session request ${session.id} <attempt>`)
  const { request: sent, hash, same } = await graft.session.request({ session: session.id, attempt })
  terminal.out(`${JSON.stringify(sent, null, 2)}\n`)
  terminal.err(same ? terminal.paint("dim", `as it was sent: its hash is ${hash}\n`) : terminal.paint("yellow", `not as it was sent, whose hash is ${hash}: what the model takes, or the code that makes requests, has changed since\n`))
  return same ? EXIT.done : EXIT.failed
}
