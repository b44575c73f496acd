/** Work in the background. */
import * as v from "valibot"
import type { Graft } from "graft"
import { Job, JobSpec } from "../../../lib/wire/work.ts"
import type { Route } from "../../contract.ts"
import { define } from "../call.ts"
import { codes, missing } from "../errors.ts"
import { ById, Flag, Id, Limit, Line, Offset, some } from "./fields.ts"

const KNOWN = codes("job.unknown")

export const jobs = (graft: Graft): Route[] => [
  define({
    id: "jobs.list", method: "GET", path: "/jobs", summary: "Jobs, latest first, at most 200",
    input: v.strictObject({ session: some(Id), live: Flag }),
    output: v.array(Job),
    handler: (query) => graft.job.list(query),
  }),
  define({
    id: "jobs.open", method: "POST", path: "/jobs", summary: "Begins a command or a subagent in the background of a session",
    input: v.strictObject({ session: Id, id: some(Id), spec: JobSpec, title: Line, delivery: v.picklist(["steer", "queue", "inform"]), onInterrupt: some(v.picklist(["keep", "cancel"])) }),
    output: Job, errors: codes("job.session", "job.invalid", "job.limit", "job.depth"),
    handler: ({ session, ...request }) => graft.job.open(session, request),
  }),
  define({
    id: "jobs.get", method: "GET", path: "/jobs/:id", summary: "One job",
    input: ById,
    output: Job, errors: KNOWN,
    handler: async ({ id }) => (await graft.job.get(id)) ?? missing("job.unknown", `there is no job ${id}`),
  }),
  define({
    id: "jobs.output", method: "GET", path: "/jobs/:id/output", summary: "What it wrote, from a place on; without one the end of it",
    input: v.strictObject({ id: Id, after: Offset, limit: Limit(1_048_576) }),
    output: v.object({ text: v.string(), next: v.number(), done: v.boolean() }), errors: KNOWN,
    handler: ({ id, ...page }) => graft.job.tail(id, page),
  }),
  define({
    id: "jobs.cancel", method: "POST", path: "/jobs/:id/cancel", summary: "Ends it",
    input: v.strictObject({ id: Id, reason: some(Line) }),
    output: v.object({ done: v.pipe(v.boolean(), v.description("False: it had ended before.")) }), errors: KNOWN,
    handler: async ({ id, reason }) => ({ done: await graft.job.cancel(id, reason) }),
  }),
]
