/** The service: what may be asked of jobs, checked, and put to who sees to them. */
import { Moved, type Graft } from "graft"
import type { Json } from "../eventlog/contract.ts"
import { point } from "../lib/crash.ts"
import { newId } from "../lib/ids.ts"
import { DEEPEST, depthOf } from "../lib/lineage.ts"
import type { Session } from "../session/contract.ts"
import type { Job, JobFacts, JobRequest, Jobs } from "./contract.ts"
import { isConflict, JobError } from "./errors.ts"
import type { Keeper } from "./keeper.ts"
import { getJob, listJobs, liveJobs, plainJob, type Kept } from "./rows.ts"
import { wantedRequest } from "./wanted.ts"

/** Jobs of one session that may live beside each other. */
const MOST_LIVE = 8
/** Milliseconds in which what was allocated is opened, or does not count any more. */
const RESERVED = 60_000
/** Milliseconds between looks whether another process that sees to a job is still there. */
const LOOK = 5_000
/** Milliseconds that a cancelled job is waited for. */
const CANCELLED = 10_000
const PAGE = 8_192

export function makeJobs(graft: Graft, keeper: Keeper): Omit<Jobs, "shell"> {
  const { store, eventlog } = graft
  const reserved = new Map<string, { session: string; until: number }>()
  /** One is allocated after the other, so that they are counted. */
  let turn: Promise<unknown> = Promise.resolve()

  async function sessionOf(id: string): Promise<Session> {
    const session = await graft.session.get(id)
    if (!session) throw new JobError("job.session", `there is no session "${id}"`)
    return session
  }

  async function known(id: string): Promise<Kept> {
    const job = await getJob(store, id)
    if (!job) throw new JobError("job.unknown", `there is no job "${id}"; job.list shows those that are`)
    return job
  }

  async function checkLimits(session: Session, { spec }: JobRequest): Promise<void> {
    const now = Date.now()
    for (const [id, { until }] of reserved) if (until < now) reserved.delete(id)
    const live = new Set(await liveJobs(store, session.id))
    for (const [id, { session: of }] of reserved) if (of === session.id && !(await getJob(store, id))) live.add(id)
    if (live.size >= MOST_LIVE) throw new JobError("job.limit", `${live.size} background jobs of this session run already, and at most ${MOST_LIVE} may: wait for one, or cancel one`)
    if (spec.kind === "subagent" && (await depthOf(session, (id) => graft.session.get(id))) >= DEEPEST) throw new JobError("job.depth", `this session is ${DEEPEST} subagents deep already, and no deeper one may begin: do the work here`)
  }

  function opening(...given: Parameters<Jobs["opening"]>): ReturnType<Jobs["opening"]> {
    const allocated = turn.then(() => allocate(...given))
    turn = allocated.catch(() => {})
    return allocated
  }

  async function allocate(session: string, request: JobRequest, origin?: { message: string; call: string }): Promise<JobFacts["job.opened"]> {
    const { id = newId("job"), spec, title, delivery, onInterrupt = "keep" } = wantedRequest(request)
    await checkLimits(await sessionOf(session), request)
    if (await getJob(store, id)) throw new JobError("job.invalid", `the job id "${id}" has been used before`)
    reserved.set(id, { session, until: Date.now() + RESERVED })
    await keeper.announce(id)
    return { job: id, title, spec, delivery, onInterrupt, input: newId("inp"), ...(origin && { origin }) }
  }

  async function start(id: string): Promise<void> {
    reserved.delete(id)
    await known(id)
    await (await keeper.adopt(id))?.begun
  }

  async function wait(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<Job> {
    const { session } = await known(id)
    const stop = AbortSignal.any([graft.retiring, ...(signal ? [signal] : [])])
    const stopped = () => { if (stop.aborted) throw signal?.aborted ? signal.reason : new Moved() }
    // A process that saw to it may die: then somebody else has to.
    const unlook = graft.every(LOOK, async () => void (await keeper.adopt(id)))
    try {
      for (;;) {
        stopped()
        const head = (await eventlog.head(session))!.seq
        const job = await known(id)
        if (job.state === "settled") return plainJob(job)
        await keeper.adopt(id)
        await settledIn(session, head, stop)
      }
    } finally {
      unlook()
    }
  }

  /** Until some job of a session is settled, by whichever process. */
  async function settledIn(session: string, after: number, signal: AbortSignal): Promise<void> {
    const tail = eventlog.tail({ aggregate: session, after })[Symbol.asyncIterator]()
    const leave = () => void tail.return?.().catch(() => {})
    signal.addEventListener("abort", leave, { once: true })
    try {
      for (let next = await tail.next(); !next.done && !signal.aborted; next = await tail.next()) if (next.value.type === "job.settled") return
    } finally {
      signal.removeEventListener("abort", leave)
      leave()
    }
  }

  return {
    opening, start, wait,

    async open(session, request) {
      const { location } = await sessionOf(session)
      const opened = await opening(session, request)
      point("T9.job.before")
      await eventlog.append({ aggregate: session, actor: "user", location, events: [fact("job.opened", opened)] })
      point("T9.job.after")
      await start(opened.job)
      return plainJob(await known(opened.job))
    },

    async list(query = {}) {
      const jobs = await listJobs(store, query)
      for (const { id, state } of jobs) if (state !== "settled") await keeper.adopt(id)
      return jobs.map(plainJob)
    },

    async get(id) {
      const job = await getJob(store, id)
      if (job && job.state !== "settled") await keeper.adopt(id)
      return job && plainJob(job)
    },

    async tail(id, { after, limit = PAGE } = {}) {
      const job = await known(id)
      return keeper.workOf(job).tail(job, { ...(after !== undefined && { after: Math.max(0, Math.trunc(after) || 0) }), limit: Math.min(Math.max(64, Math.trunc(limit) || PAGE), 1_048_576) })
    },

    async cancel(id, reason) {
      const job = await known(id)
      if (job.state === "settled") return false
      const { location } = await sessionOf(job.session)
      if (job.state !== "cancelling") {
        try {
          await eventlog.append({ aggregate: job.session, actor: "user", location, events: [fact("job.cancel.requested", { job: id, ...(reason !== undefined && { reason }) })] })
        } catch (error) {
          if (!isConflict(error)) throw error
          if ((await known(id)).state === "settled") return false
        }
        point("T13.cancel.after")
      }
      const care = await keeper.adopt(id)
      care?.ring()
      // Another process sees to it: it finds the work ended, and says so.
      if (!care) await keeper.workOf(job).stop(await known(id))
      const late = new AbortController()
      const unlate = graft.timeout(CANCELLED, () => late.abort())
      await wait(id, { signal: late.signal }).catch((error: unknown) => { if (!late.signal.aborted) throw error })
      unlate()
      return true
    },
  }
}

const fact = <T extends keyof JobFacts>(type: T, data: JobFacts[T]) => ({ type, data: data as unknown as Json })
