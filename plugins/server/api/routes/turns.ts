/** Having a session work: prompts, what waits, going on, waiting for the end, stopping. */
import * as v from "valibot"
import type { Graft } from "graft"
import { Ended, Receipt, Waiting } from "../../../lib/wire/session.ts"
import { ShellEnd } from "../../../lib/wire/work.ts"
import type { Route } from "../../contract.ts"
import { define } from "../call.ts"
import { codes } from "../errors.ts"
import { ById, Id, Line, some, Text } from "./fields.ts"

const KNOWN = codes("session.unknown")
const Delivery = v.picklist(["steer", "queue"])
const Inbox = v.strictObject({ id: Id, input: Id })
const Did = v.object({ done: v.pipe(v.boolean(), v.description("False: it waits no more.")) })
/** Seconds that a client may ask to wait; it asks again. */
const MOST_WAIT = 600

export const turns = (graft: Graft): Route[] => [
  define({
    id: "sessions.prompt", method: "POST", path: "/sessions/:id/prompt", summary: "Admits an input durably, and has the session work",
    description: "The same `id` with the same text gives the same receipt: after a broken connection, ask again.",
    input: v.strictObject({
      id: Id, text: Text, input: some(Id, "The id of the input, chosen by you."), delivery: some(Delivery),
      resume: some(v.boolean(), "false: it goes along with the next work, and starts none."),
      files: some(v.pipe(v.array(v.pipe(v.string(), v.maxLength(1_048_576))), v.maxLength(20))),
    }),
    output: Receipt, errors: { ...KNOWN, ...codes("session.conflict", "session.full", "session.refused", "session.empty", "session.invalid", "session.attachment", "session.damaged") },
    handler: ({ id, input, ...prompt }) => graft.session.prompt({ session: id, ...(input !== undefined && { id: input }), ...prompt }),
  }),
  define({
    id: "sessions.inbox", method: "GET", path: "/sessions/:id/inbox", summary: "What waits, oldest first",
    input: ById,
    output: v.array(Waiting), errors: KNOWN,
    handler: ({ id }) => graft.session.inbox(id),
  }),
  define({
    id: "sessions.deliver", method: "PATCH", path: "/sessions/:id/inbox/:input", summary: "How an input that waits is delivered",
    input: v.strictObject({ ...Inbox.entries, delivery: Delivery }),
    output: Did, errors: KNOWN,
    handler: async ({ id, input, delivery }) => ({ done: await graft.session.deliver(id, input, delivery) }),
  }),
  define({
    id: "sessions.cancel", method: "DELETE", path: "/sessions/:id/inbox/:input", summary: "Takes an input back that waits",
    input: Inbox,
    output: Did, errors: KNOWN,
    handler: async ({ id, input }) => ({ done: await graft.session.cancel(id, input) }),
  }),
  define({
    id: "sessions.resume", method: "POST", path: "/sessions/:id/resume", summary: "Goes on, with at least one attempt",
    input: ById,
    errors: { ...KNOWN, ...codes("session.damaged") },
    handler: ({ id }) => graft.session.resume(id),
  }),
  define({
    id: "sessions.decide", method: "POST", path: "/sessions/:id/decide", summary: "What becomes of a request that may have been sent when its process died",
    input: v.strictObject({ id: Id, decision: v.picklist(["retry", "abandon"]) }),
    errors: { ...KNOWN, ...codes("session.nothing") },
    handler: ({ id, decision }) => graft.session.decide(id, decision, "user:http"),
  }),
  define({
    id: "sessions.wait", method: "GET", path: "/sessions/:id/wait", summary: "Waits until it works no more, and says why: done, blocked, failed …",
    input: v.strictObject({ id: Id, seconds: some(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MOST_WAIT)), "How long; default 60. Then ask again.") }),
    output: v.object({ ended: some(Ended, "Absent: it still works.") }), deadline: Infinity, errors: KNOWN,
    async handler({ id, seconds = 60 }, { signal }) {
      const enough = new AbortController()
      const cancel = graft.timeout(seconds * 1_000, () => enough.abort())
      const stop = AbortSignal.any([signal, enough.signal, graft.retiring])
      try {
        return { ended: await graft.session.wait(id, { signal: stop }) }
      } catch (error) {
        if (stop.aborted) return {}
        throw error
      } finally {
        cancel()
      }
    },
  }),
  define({
    id: "sessions.interrupt", method: "POST", path: "/sessions/:id/interrupt", summary: "Stops it, its tools and their processes",
    input: v.strictObject({ id: Id, reason: some(Line) }),
    errors: KNOWN,
    handler: ({ id, reason }) => graft.session.interrupt(id, reason),
  }),
  define({
    id: "sessions.compact", method: "POST", path: "/sessions/:id/compact", summary: "Has the older part folded at the next safe boundary",
    input: v.strictObject({ id: Id, instructions: some(Text) }),
    output: Receipt, errors: { ...KNOWN, ...codes("session.full", "session.empty") },
    handler: ({ id, instructions }) => graft.session.compact(id, instructions),
  }),
  define({
    id: "sessions.shell", method: "POST", path: "/sessions/:id/shell", summary: "Runs a command in its directory, as if a person had typed it",
    description: "Until it ends, or you hang up.",
    input: v.strictObject({ id: Id, command: Line }),
    output: ShellEnd, deadline: Infinity, errors: { ...KNOWN, ...codes("job.busy", "job.session", "job.invalid") },
    handler: ({ id, command }, { signal }) => graft.job.shell(id, command, { signal }),
  }),
]
