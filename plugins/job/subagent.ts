/** A subagent job: its process is a session of its own, below the one that asked. What that session is and what it said is in the log; here is only how to begin it, and when it is over. */
import { messageOf, type Graft } from "graft"
import { answerOf, reasonOf } from "../lib/answer.ts"
import type { Ended } from "../session/contract.ts"
import type { Exit, Seen } from "./decide.ts"
import { codeOf } from "./errors.ts"
import type { Kept } from "./rows.ts"
import { endOf } from "./summary.ts"
import type { Work } from "./work.ts"

/** Of the child's one input: asking again is no second question. */
const INPUT = "inp_task"
/** Milliseconds that an interrupted session may take to write down where it stands. */
const GRACE = 5_000
/** Bytes of an answer that are told unasked; the rest stands in the child's session. */
const TOLD = 32_768

export function makeSubagentWork(graft: Graft): Work {
  const { session: sessions } = graft
  const specOf = ({ id, spec }: Kept) => {
    if (spec.kind !== "subagent") throw new Error(`the job ${id} is no subagent`)
    return spec
  }
  const ask = (job: Kept, child: string) => sessions.prompt({ session: child, text: specOf(job).prompt, id: INPUT })

  return {
    async prepare(job) {
      const { directory, agent, model, title } = specOf(job)
      // Made from the job's id: the same one, whoever makes it again.
      const child = `ses_${job.id.slice(4)}`
      await sessions.create({ id: child, directory, parent: job.session, title: title ?? job.title, ...(agent && { agent }), ...(model && { model }) })
      // What cannot be asked is seen by whoever looks.
      return { child, go: async () => void (await ask(job, child).catch(() => {})), drop() {} }
    },

    async look(job): Promise<Seen> {
      const child = job.child!
      try {
        if (!(await sessions.get(child))) return { kind: "gone", why: "its session is gone" }
        const { state } = await ask(job, child)
        if (state === "cancelled") return { kind: "ended", exit: { kind: "error", message: "its question was taken back" } }
        if (state === "pending") return { kind: "alive" }
        const { status } = (await sessions.get(child))!
        if (status === "running" || status === "waiting") return { kind: "alive" }
        return { kind: "ended", exit: exitOf(await sessions.wait(child)) }
      } catch (error) {
        if (String(codeOf(error)).startsWith("session.")) return { kind: "ended", exit: { kind: "error", message: messageOf(error) } }
        throw error
      }
    },

    async changed({ child }, signal) {
      await sessions.wait(child!, { signal }).catch((error: unknown) => { if (!signal.aborted) throw error })
    },

    async stop({ child }) {
      await sessions.interrupt(child!, "the job was cancelled")
      const late = new AbortController()
      const cancel = graft.timeout(GRACE, () => late.abort())
      await sessions.wait(child!, { signal: late.signal }).catch(() => {})
      cancel()
    },

    async result({ child }) {
      const answer = child ? await answerOf(sessions, graft.eventlog, child) : ""
      const { text, cut } = endOf(answer, TOLD)
      if (!cut) return { text, bytes: Buffer.byteLength(answer) }
      const { sha256, bytes } = await graft.store.putBlob(answer, "text/plain")
      return { text, bytes, blob: sha256, cut }
    },

    async tail({ child, state }, { after, limit }) {
      const head = child ? await graft.eventlog.head(child) : undefined
      if (!child || !head) return { text: "", next: 0, done: state === "settled" }
      // Without a place to go on from, the last of what it said.
      const messages = await sessions.messages(child, { after: after ?? Math.max(0, head.seq - 500), limit: 200 })
      const said = messages.filter(({ role }) => role === "assistant").flatMap(({ parts }) => parts.flatMap((part) => (part.kind === "text" ? part.text.trim() : part.kind === "tool" ? `· ${part.name} ${part.title ?? ""}`.trim() : [])))
      return { text: endOf(said.filter(Boolean).join("\n"), limit).text, next: messages.filter((message) => message.state === "settled").at(-1)?.seq ?? after ?? 0, done: state === "settled" }
    },
  }
}

/** A session that waits for somebody's decision has stopped as far as the one above it is concerned; it can still be gone on with. */
function exitOf(ended: Ended): Exit {
  return ended.state === "done" ? { kind: "done" } : { kind: "error", message: reasonOf(ended) }
}
