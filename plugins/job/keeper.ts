/**
 * Who sees to a job: one process at a time, by a name that it holds as long as it lives, and whatever state it finds. It
 * looks, does the next thing, and looks again; what it did is in the log before it counts. Two that look at once, for a
 * moment, do no harm: the second's commit is refused, and it looks again.
 */
import { createHash } from "node:crypto"
import { mkdir, readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { messageOf, type Graft } from "graft"
import type { Json, NewEvent } from "../eventlog/contract.ts"
import { point } from "../lib/crash.ts"
import type { SessionFacts } from "../session/contract.ts"
import { decide, type Settle } from "./decide.ts"
import { isConflict, isPassing } from "./errors.ts"
import { getJob, type Kept } from "./rows.ts"
import { summaryOf } from "./summary.ts"
import type { Work } from "./work.ts"

/** Milliseconds until a job that could not be seen to (the disk was full) is looked at again. */
const AGAIN = 30_000
/** Milliseconds after which what was announced and is not in the log will not come there any more. */
const STILLBORN = 600_000
/** Refusals of one move in a row after which it is not another who moves the row. */
const MOST_REFUSALS = 5

interface Care { /** As it was last seen. */ job?: Kept; /** Looks at once. */ ring(): void; /** It runs, or is known not to. */ begun: Promise<void> }

export class Keeper {
  readonly #graft: Graft
  /** A directory for each thing that is not over: a start looks here, and at nothing else where it is empty. */
  readonly #root: string
  readonly #works: Record<Kept["spec"]["kind"], Work>
  readonly #cared = new Map<string, Care>()

  constructor(graft: Graft, root: string, works: Record<Kept["spec"]["kind"], Work>) {
    this.#graft = graft
    this.#root = root
    this.#works = works
  }

  workOf({ spec }: Kept): Work { return this.#works[spec.kind] }

  /** A job or command that is about to be: marked, and held, before anything of it is in the log. */
  async announce(id: string): Promise<void> {
    await this.#graft.store.hold(id)
    await mkdir(join(this.#root, id), { recursive: true, mode: 0o700 })
  }

  /** It is over, or never came to be. */
  async forget(id: string): Promise<void> {
    await rm(join(this.#root, id), { recursive: true, force: true })
    await this.#graft.store.letGo(id)
  }

  /** Ids of what may not be over. */
  announced(): Promise<string[]> { return readdir(this.#root).catch(() => []) }

  /** What nobody opened: a crash came in between, or a refusal. */
  async clear(id: string): Promise<void> {
    const made = await stat(join(this.#root, id)).catch(() => undefined)
    if (made && Date.now() - made.mtimeMs > STILLBORN && (await this.#graft.store.hold(id))) await this.forget(id)
  }

  /** All of a session is gone: what runs for it is ended. */
  removed(session: string): void { for (const { job, ring } of this.#cared.values()) if (job?.session === session) ring() }

  /** False: another process sees to it. */
  async adopt(id: string): Promise<Care | undefined> {
    const known = this.#cared.get(id)
    if (known) return known
    if (this.#graft.retiring.aborted || !(await this.#graft.store.hold(id))) return undefined
    const taken = this.#cared.get(id)
    if (taken) return taken
    const begun = Promise.withResolvers<void>()
    let bell = new AbortController()
    const care: Care = { ring: () => bell.abort(), begun: begun.promise }
    const hear = () => (bell = new AbortController()).signal
    this.#cared.set(id, care)
    this.#graft.fork(async () => {
      try {
        await this.#keep(id, care, hear, begun.resolve)
      } catch (error) {
        if (this.#graft.retiring.aborted) return
        this.#graft.log.error(`the job ${id} could not be seen to, and will be again in ${AGAIN / 1_000} s:`, error)
        this.#graft.timeout(AGAIN, async () => void (await this.adopt(id)))
      } finally {
        this.#cared.delete(id)
        begun.resolve()
      }
    }, { hold: true })
    return care
  }

  async #keep(id: string, care: Care, hear: () => AbortSignal, begun: () => void): Promise<void> {
    const { retiring, store } = this.#graft
    /** This process saw it alive: its end is news here. */
    let lived = false
    let refused = { move: "", times: 0 }
    while (!retiring.aborted) {
      const bell = hear()
      const job = await getJob(store, id)
      if (!job) return care.job && this.#end(care.job)
      care.job = job
      const work = this.workOf(job)
      const step = decide(job.state, job.handle || job.child ? await work.look(job) : undefined)
      const move = `${job.state} ${step.kind}`
      refused = { move, times: step.kind !== "follow" && move === refused.move ? refused.times + 1 : 0 }
      if (refused.times > MOST_REFUSALS) throw new Error(`its row stays ${job.state}, whatever is appended`)
      switch (step.kind) {
        case "none": return this.forget(id)
        case "start": {
          lived = true
          await this.#start(job, work)
          break
        }
        case "follow": {
          lived = true
          begun()
          await work.changed(job, AbortSignal.any([bell, retiring]))
          break
        }
        case "stop": {
          await work.stop(job)
          const seen = await work.look(job)
          await this.#settle(job, work, { kind: "settle", outcome: "cancelled", ...(seen.kind === "ended" && { exit: seen.exit }) }, lived)
          break
        }
        case "settle": await this.#settle(job, work, step, lived); break
        default: step satisfies never
      }
    }
  }

  /** Durable before the word to go: what is `opened` has certainly never run (S12). */
  async #start(job: Kept, work: Work): Promise<void> {
    let prepared
    try {
      prepared = await work.prepare(job)
    } catch (error) {
      // Who is away may come back, and a full disk may be cleared: that is no end of the job.
      if (isPassing(error)) throw error
      return this.#settle(job, work, { kind: "settle", outcome: "not-started", why: messageOf(error) }, true)
    }
    const { handle, child, go, drop } = prepared
    point("T13.started.before")
    try {
      await this.#append(job, [fact("job.started", { job: job.id, ...(handle && { handle }), ...(child && { child }), owner: await this.#graft.eventlog.runtime() })])
    } catch (error) {
      drop()
      if (isConflict(error)) return
      throw error
    }
    point("T13.started.after")
    await go()
    point("T13.go.after")
  }

  /** T13: how it ended, and the input that tells so, are one commit; the input's id is as old as the job. */
  async #settle(job: Kept, work: Work, { outcome, exit, why }: Settle, news: boolean): Promise<void> {
    const { id, delivery, input } = job
    const result = await work.result(job)
    const summary = summaryOf(job, { outcome, ...(exit && { exit }), ...(why !== undefined && { why }) }, result)
    const { blob, bytes } = result
    const settled = fact("job.settled", { job: id, outcome, ...(exit?.kind === "exit" && { exit: exit.code }), ...(blob && { blob }), ...(bytes > 0 && { bytes }), summary })
    const told: NewEvent[] = delivery === "inform" ? [] : [fact("session.input.admitted", { input, delivery, resume: true, text: summary, hash: digestOf(summary), kind: "job-result" })]
    point("T13.settled.before")
    try {
      await this.#append(job, [settled, ...told])
    } catch (error) {
      if (isConflict(error)) return
      throw error
    }
    point("T13.settled.after")
    await this.forget(id)
    if (told.length > 0) await this.#wake(job, news).catch((error: unknown) => this.#graft.log.warn(`the session ${job.session} was not woken for the end of ${id}; it is told with its next work:`, error))
  }

  /** What ended while nobody was there waits in the inbox of a project that is not open here: whoever opens it finds it. */
  async #wake({ session }: Kept, news: boolean): Promise<void> {
    const known = await this.#graft.session.get(session)
    if (!known || !(news || this.#graft.kernel.locations().includes(known.location))) return
    using project = await this.#graft.at(known.location)
    await project.runner.wake(session)
  }

  async #append({ session }: Kept, events: NewEvent[]): Promise<void> {
    const { eventlog } = this.#graft
    const location = (await this.#graft.session.get(session))?.location
    await eventlog.append({ aggregate: session, actor: `runtime:${await eventlog.runtime()}`, ...(location !== undefined && { location }), events })
  }

  /** Its row went away while it ran, with its session. */
  async #end(job: Kept): Promise<void> {
    await this.workOf(job).stop(job)
    await this.forget(job.id)
  }
}

const fact = <T extends keyof SessionFacts>(type: T, data: SessionFacts[T]): NewEvent => ({ type, data: data as unknown as Json })
const digestOf = (text: string): string => createHash("sha256").update(text).digest("base64url").slice(0, 22)
