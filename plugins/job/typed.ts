/** Commands that a person types into a conversation: run at once and without a question, shown, and told to the model with the next prompt. */
import { messageOf, type Graft } from "graft"
import type { Json } from "../eventlog/contract.ts"
import { run, verdictOf, type Finished } from "../lib/command.ts"
import { newId } from "../lib/ids.ts"
import { openLeash, type Leash } from "../lib/leash.ts"
import type { JobFacts, Jobs, ShellEnd } from "./contract.ts"
import { environmentOf } from "./environment.ts"
import { isConflict, JobError } from "./errors.ts"
import type { Keeper } from "./keeper.ts"
import { getShell } from "./rows.ts"
import { endOf } from "./summary.ts"

const MOST_SECONDS = 3_600
const MOST_COMMAND = 128_000
/** Bytes of output that stand in the log, and so before the model. */
const TOLD = 51_200

/** What of them outlives a reload: the leash, once one was needed, and which of them run, whichever generation began them. */
export interface Running { leash?: Leash; readonly ids: Set<string> }

export function makeTyped(graft: Graft, keeper: Keeper, running: Running): Pick<Jobs, "shell"> & { recover(id: string): Promise<boolean> } {
  const { ids } = running
  const leash = (running.leash ??= openLeash())

  async function append(session: string, events: { type: string; data: Json }[]): Promise<void> {
    const location = (await graft.session.get(session))?.location
    await graft.eventlog.append({ aggregate: session, actor: "user", ...(location !== undefined && { location }), events })
  }

  return {
    async shell(session, command, { signal = new AbortController().signal, progress = () => {} } = {}) {
      const known = await graft.session.get(session)
      if (!known) throw new JobError("job.session", `there is no session "${session}"`)
      if (typeof command !== "string" || command.trim() === "" || command.includes("\0") || Buffer.byteLength(command) > MOST_COMMAND) throw new JobError("job.invalid", `a command is a text of at most ${MOST_COMMAND} bytes`)
      if (known.status === "running" || known.status === "waiting") throw new JobError("job.busy", "the session works: interrupt it, or wait until it is done")
      const { directory } = known
      const shell = newId("sh")
      ids.add(shell)
      try {
        await keeper.announce(shell)
        await append(session, [fact("shell.started", { shell, command, directory })])
        const since = performance.now()
        const finished = await environmentOf(graft, session, command, directory)
          .then((env) => run({ command, directory, env, deadline: MOST_SECONDS * 1_000, signal, leash, progress }))
          .catch((error: unknown) => messageOf(error))
        const end = await endedAs(shell, finished, Math.round(performance.now() - since))
        await append(session, [fact("shell.settled", end)])
        await keeper.forget(shell)
        return end
      } finally {
        ids.delete(shell)
      }
    },

    /** One that nobody saw the end of. False: it is none of these. */
    async recover(id) {
      const row = await getShell(graft.store, id)
      if (!row) return false
      if (ids.has(id) || !(await graft.store.hold(id))) return true
      const lost = fact("shell.settled", { shell: id, ending: "lost", output: "", bytes: 0, milliseconds: 0 })
      await append(row.session, [lost]).catch((error: unknown) => { if (!isConflict(error)) throw error })
      await keeper.forget(id)
      return true
    },
  }

  async function endedAs(shell: string, finished: Finished | string, milliseconds: number): Promise<ShellEnd> {
    if (typeof finished === "string") return { shell, ending: "error", output: finished, bytes: 0, milliseconds }
    const { ending, bytes, left } = finished
    const { text, cut } = endOf(finished.output.trimEnd(), TOLD)
    const blob = cut ? (await graft.store.putBlob(finished.output, "text/plain")).sha256 : undefined
    const notes = [cut ? `only the end is shown of ${bytes} bytes` : "", ending.kind === "exit" ? "" : verdictOf(finished, MOST_SECONDS, ""), left > 0 ? "processes left in the background were ended" : ""].filter(Boolean)
    const output = [...(text ? [text] : []), ...notes.map((note) => `(${note})`)].join("\n")
    return { shell, ending: ending.kind, ...(ending.kind === "exit" && { exit: ending.code }), output, ...(blob && { blob }), bytes, milliseconds }
  }
}

const fact = <T extends keyof JobFacts>(type: T, data: JobFacts[T]) => ({ type, data: data as unknown as Json })
