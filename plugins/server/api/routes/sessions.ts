/** Sessions: what there is, begun, looked at, changed, carried away and brought back. */
import * as v from "valibot"
import { locationOf, type Graft } from "graft"
import { Events, Message, PastRequest, Session, SessionReport } from "../../../lib/wire/session.ts"
import type { Route } from "../../contract.ts"
import { define, defineLines } from "../call.ts"
import { codes, missing } from "../errors.ts"
import { ById, Flag, Id, Limit, Line, Offset, some } from "./fields.ts"

const KNOWN = codes("session.unknown")
const Restored = v.object({ files: v.array(v.string()), kept: v.array(v.string()), unable: some(v.string()) })

export const sessions = (graft: Graft): Route[] => {
  /** Where the service itself would only find nothing. */
  const known = async (id: string) => (await graft.session.get(id)) ?? missing("session.unknown", `there is no session ${id}`)

  return [
    define({
      id: "sessions.list", method: "GET", path: "/sessions", summary: "Sessions of a project, latest change first",
      input: v.strictObject({
        limit: Limit(1_000), archived: Flag, children: some(v.boolean(), "false: without those that another session began."),
        all: some(v.boolean(), "Of every project."),
      }),
      output: v.array(Session),
      handler: ({ all, ...query }, { directory }) => graft.session.list({ ...query, ...(all !== true && { location: locationOf(directory) }) }),
    }),
    define({
      id: "sessions.create", method: "POST", path: "/sessions", summary: "Begins a session",
      input: v.strictObject({
        directory: some(Line, "Where it works. Default: the directory of the request."), title: some(Line), model: some(Line),
        agent: some(Line), id: some(Id, "Chosen by you, so that asking again is the same session."), parent: some(Id),
      }),
      output: Session, errors: codes("session.directory", "session.invalid", "session.conflict"),
      handler: (init, { directory }) => graft.session.create({ directory, ...init }),
    }),
    define({
      id: "sessions.search", method: "GET", path: "/sessions/search", summary: "Every word, in any order, in one message or a title; latest first",
      input: v.strictObject({ text: Line, limit: Limit(1_000), all: Flag }),
      output: v.array(v.object({ session: v.string(), message: some(v.string()), snippet: v.string(), created: v.number() })),
      handler: ({ text, limit, all }, { directory }) => graft.session.search(text, { ...(limit !== undefined && { limit }), ...(all !== true && { location: locationOf(directory) }) }),
    }),
    define({
      id: "sessions.import", method: "POST", path: "/sessions/import", summary: "Brings back what sessions.export gave",
      description: "What is there already is compared, and nothing happens twice.",
      accepts: "application/x-ndjson", output: Session, deadline: Infinity, errors: codes("session.import", "eventlog.divergent"),
      handler: (_, { lines }) => graft.session.import(lines()),
    }),
    define({
      id: "sessions.get", method: "GET", path: "/sessions/:id", summary: "One session",
      input: ById,
      output: Session, errors: KNOWN,
      handler: ({ id }) => known(id),
    }),
    define({
      id: "sessions.describe", method: "GET", path: "/sessions/:id/report", summary: "What stands about a session besides what was said",
      input: ById,
      output: SessionReport, errors: KNOWN,
      handler: ({ id }) => graft.session.describe(id),
    }),
    define({
      id: "sessions.update", method: "PATCH", path: "/sessions/:id", summary: "Its title, model, agent, and whether it is archived",
      input: v.strictObject({ id: Id, title: some(Line), model: some(Line), agent: some(Line), archived: Flag }),
      output: Session, errors: { ...KNOWN, ...codes("session.invalid") },
      handler: ({ id, ...change }) => graft.session.update(id, change),
    }),
    define({
      id: "sessions.delete", method: "DELETE", path: "/sessions/:id", summary: "All of it is gone, and the sessions that it began",
      input: ById,
      errors: { ...KNOWN, ...codes("session.busy", "eventlog.owned") },
      handler: ({ id }) => graft.session.remove(id),
    }),
    define({
      id: "sessions.messages", method: "GET", path: "/sessions/:id/messages", summary: "Its conversation in pages, oldest first",
      input: v.strictObject({ id: Id, after: some(v.pipe(v.number(), v.integer(), v.minValue(0)), "The seq of a message, exclusive."), limit: Limit(1_000) }),
      output: v.object({ messages: v.array(Message), next: some(v.number(), "`after` of the next page; absent when this was the last.") }),
      errors: { ...KNOWN, ...codes("session.damaged") },
      async handler({ id, after, limit = 100 }) {
        await known(id)
        const messages = await graft.session.messages(id, { limit, ...(after !== undefined && { after }) })
        return { messages, ...(messages.length === limit && { next: messages.at(-1)!.seq }) }
      },
    }),
    define({
      id: "sessions.events", method: "GET", path: "/sessions/:id/events", summary: "Its durable events in pages; /events/stream of it goes on with what comes",
      input: v.strictObject({ id: Id, after: some(Line, "An exclusive cursor, as `next` gave it."), limit: Limit(4_096) }),
      output: Events, errors: { ...KNOWN, ...codes("eventlog.cursor", "eventlog.corrupt") },
      async handler({ id, after, limit }) {
        await known(id)
        return graft.eventlog.read({ aggregate: id, ...(after !== undefined && { after }), ...(limit !== undefined && { limit }) })
      },
    }),
    define({
      id: "sessions.fork", method: "POST", path: "/sessions/:id/fork", summary: "A new session with this one's conversation, up to and with a message",
      input: v.strictObject({ id: Id, message: some(Id) }),
      output: Session, errors: { ...KNOWN, ...codes("session.invalid", "session.nothing", "session.damaged") },
      handler: ({ id, ...options }) => graft.session.fork(id, options),
    }),
    define({
      id: "sessions.revert", method: "POST", path: "/sessions/:id/revert", summary: "Hides the conversation from a message on, and with `files` puts back what was changed",
      input: v.strictObject({ id: Id, message: some(Id), files: Flag, preview: Flag }),
      output: v.object({ message: v.string(), ...Restored.entries }), errors: { ...KNOWN, ...codes("session.nothing", "session.busy", "session.invalid") },
      handler: ({ id, ...options }) => graft.session.revert(id, options),
    }),
    define({
      id: "sessions.restore", method: "POST", path: "/sessions/:id/restore", summary: "Undoes the reverts that are not final",
      input: ById,
      output: Restored, errors: { ...KNOWN, ...codes("session.nothing", "session.busy") },
      handler: ({ id }) => graft.session.restore(id),
    }),
    define({
      id: "sessions.move", method: "POST", path: "/sessions/:id/move", summary: "Has it work in another directory",
      input: v.strictObject({ id: Id, directory: Line }),
      output: Session, errors: { ...KNOWN, ...codes("session.directory") },
      handler: ({ id, directory }) => graft.session.move(id, directory),
    }),
    defineLines({
      id: "sessions.export", method: "GET", path: "/sessions/:id/export", summary: "All of it as JSON lines, lossless, with the sessions that it began",
      input: v.strictObject({ id: Id, until: Offset }),
      errors: { ...KNOWN, ...codes("session.invalid", "session.damaged") },
      handler: ({ id, ...options }) => graft.session.export(id, options),
    }),
    define({
      id: "sessions.check", method: "POST", path: "/sessions/:id/check", summary: "Reads all of it, and says what cannot be read",
      input: ById,
      output: v.object({ events: v.number(), damage: some(v.object({ seq: v.number(), reason: v.string() })) }), errors: KNOWN,
      handler: ({ id }) => graft.session.check(id),
    }),
    define({
      id: "sessions.request", method: "GET", path: "/sessions/:id/requests/:attempt", summary: "A request as a provider was sent it",
      input: v.strictObject({ id: Id, attempt: Id }),
      output: PastRequest, errors: { ...KNOWN, ...codes("runner.attempt", "runner.context") },
      handler: ({ id, attempt }) => graft.session.request({ session: id, attempt }),
    }),
  ]
}
