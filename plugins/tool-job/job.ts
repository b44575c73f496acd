/** `job`: what runs in the background of a session, as its model sees it: what there is, what it wrote, wait for it, cancel it. */
import * as v from "valibot"
import type { Graft } from "graft"
import type { Job } from "../job/contract.ts"
import type { ToolContext, ToolDefinition, ToolResult } from "../tool/contract.ts"

const SECONDS = 60
const MAX_SECONDS = 600
const TAIL = 8_192

/** One object, not one of several: providers take nothing else at the top of a schema. */
const input = v.pipe(
  v.object({
    action: v.picklist(["list", "tail", "wait", "cancel"]),
    job: v.optional(v.pipe(v.string(), v.description("The id of a job; of all but list"))),
    after: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.description("tail: where the last look ended; without it, the end of the output"))),
    seconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_SECONDS), v.description("wait: at most so long")), SECONDS),
    reason: v.optional(v.pipe(v.string(), v.description("cancel: why"))),
  }),
  v.check(({ action, job }) => action === "list" || job !== undefined, "name the job; list shows which there are"),
)

export const makeJobTool = (graft: Graft): ToolDefinition<typeof input> => ({
  name: "job",
  description: "The background jobs of this session. list: what there is. tail: what a job wrote, also while it runs. wait: until it has ended, at most so many seconds. cancel: end it with all its processes. You are told when a job ends: wait only where you cannot go on without it.",
  input,
  // Only jobs of its own session are within reach, and to begin one was allowed.
  effects: ["run"],
  recovery: "rerun",
  permission: () => undefined,
  limits: { milliseconds: (MAX_SECONDS + 30) * 1_000 },
  async execute(asked, context): Promise<ToolResult> {
    const { action } = asked
    if (action === "list") {
      const jobs = await graft.job.list({ session: context.session })
      return { output: jobs.map(lineOf).join("\n") || "no job of this session", title: "jobs" }
    }
    const job = await own(graft, asked.job!, context)
    switch (action) {
      case "tail": return { output: await tailOf(graft, job, asked.after), title: job.title }
      case "wait": return waitFor(graft, job, asked.seconds, context)
      case "cancel": {
        const cancelled = await graft.job.cancel(job.id, asked.reason)
        return { output: `${cancelled ? "" : "it had ended: "}${lineOf((await graft.job.get(job.id)) ?? job)}`, title: `cancel ${job.title}` }
      }
      default: return action satisfies never
    }
  },
})

async function own(graft: Graft, wanted: string, { session }: ToolContext): Promise<Job> {
  const job = await graft.job.get(wanted)
  if (job?.session === session) return job
  const live = await graft.job.list({ session })
  throw new Error(`this session has no job "${wanted}"${live.length > 0 ? `; it has ${live.slice(0, 8).map((each) => each.id).join(", ")}` : ""}`)
}

/** Its end is delivered to the session as well, whoever waited for it. */
async function waitFor(graft: Graft, job: Job, seconds: number, { signal }: ToolContext): Promise<ToolResult> {
  const late = new AbortController()
  const cancel = graft.timeout(seconds * 1_000, () => late.abort())
  try {
    const settled = await graft.job.wait(job.id, { signal: AbortSignal.any([signal, late.signal]) })
    return { output: await tailOf(graft, settled), title: settled.title, failed: settled.outcome !== "succeeded" }
  } catch (error) {
    if (signal.aborted || !late.signal.aborted) throw error
    return { output: `(it has not ended within ${seconds} s)\n${await tailOf(graft, job)}`, title: job.title }
  } finally {
    cancel()
  }
}

async function tailOf(graft: Graft, job: Job, after?: number): Promise<string> {
  const { text, next, done } = await graft.job.tail(job.id, { limit: TAIL, ...(after !== undefined && { after }) })
  const now = (await graft.job.get(job.id)) ?? job
  return `${lineOf(now)}\n\n${text.trimEnd() || "(nothing more)"}${done ? "" : `\n\n(go on with after: ${next})`}`
}

const lineOf = ({ id, title, state, outcome, exit, spec }: Job): string =>
  `${id} ${outcome ?? state}${exit === undefined ? "" : ` (exit code ${exit})`} ${spec.kind}: ${title.replaceAll(/\s+/g, " ").slice(0, 120)}`
