/**
 * The log checker (S28): may this log have happened? One event after the other runs through the tables of
 * lib/machine.ts and the rules of sessions.md §3 that no single table can say. It reads nothing and changes nothing, so
 * it judges any session, of any database, also one that a crashed process left behind.
 */
import { createHash, type Hash } from "node:crypto"
import { ACTIVITY, ATTEMPT, CALL, INPUT, JOB, next, NONE, stepOf, type Machine } from "../lib/machine.ts"

export interface Logged { seq: number; type: string; epoch: number; data: unknown }
export interface Violation { law: string; seq: number; what: string }

/** Told of one log; more say nothing new. */
const MOST = 50
/** Crashes that one activity may be recovered from by itself. */
const MOST_RECOVERIES = 3
const MOST_RUNS = 2

/** Answers to the conversation's own folding. */
const COMPACTION = {
  none: { "session.compaction.started": "started" },
  started: { "session.compaction.ended": "ended", "session.compaction.failed": "failed" },
  ended: {},
  failed: {},
} as const satisfies Machine

/** Events that only an owner may tell, at its epoch. A decision is a person's. */
const OWNED = new Set([ACTIVITY, ATTEMPT, CALL, COMPACTION].flatMap((machine: Machine) => Object.values(machine).flatMap((events) => Object.keys(events).filter((event) => !event.startsWith("activity.recovery.decided")))))

/** Ended: nothing follows but the next one. */
const OVER: ReadonlySet<string> = new Set(["settled", "interrupted", "abandoned"])
const LIVE: ReadonlySet<string> = new Set(["prepared", "dispatched", "streaming", "unknown"])
/** How a job ends that never ran. */
const UNBEGUN: ReadonlySet<string> = new Set(["not-started", "cancelled"])
/** A control input acts alone, outside of the order of words. */
const CONTROL: ReadonlySet<string> = new Set(["compact", "move"])

interface Input { state: string; delivery: string; admitted: number; control: boolean }
interface Activity { id: string; ordinal: number; state: string; allowance: number; turn: number; settled: boolean; recoveries: number; opener?: string; /** Nothing was asked of the model since it was opened or resumed. */ fresh: boolean; queued: boolean }
interface Attempt { id: string; turn: number; n: number; state: string; message: string; class: string; outcome?: string; decided: boolean }
interface Call { state: string; message: string; runs: number; recovery: string }
interface Part { message: string; hash: Hash; length: number }
interface Job { state: string; input: string; delivers: boolean; began: boolean }

type Data = Record<string, any>

export class LogChecker {
  readonly violations: Violation[] = []
  #seq = 0
  #epoch = 0
  #claimed = 0
  /** A fork begins with another session's words: what is said there is no work of this one. */
  #history = false
  #activity: Activity | undefined
  #attempt: Attempt | undefined
  /** Of the present turn. */
  #turnCalls: string[] = []
  #boundary = 0
  #compaction: { id: string; state: string } | undefined
  readonly #inputs = new Map<string, Input>()
  readonly #messages = new Map<string, "open" | "settled">()
  readonly #parts = new Map<string, Part>()
  readonly #calls = new Map<string, Call>()
  readonly #jobs = new Map<string, Job>()
  #event: Logged = { seq: 0, type: "", epoch: 0, data: {} }

  accept(event: Logged): void {
    this.#event = event
    const { seq, type, epoch } = event
    const data = (event.data ?? {}) as Data
    if (seq !== this.#seq + 1) this.#wrong("S1", `it stands at ${seq}, after ${this.#seq}`)
    if (epoch < this.#epoch) this.#wrong("S20", `it is of epoch ${epoch}, and one before it of ${this.#epoch}`)
    this.#seq = seq
    this.#epoch = Math.max(this.#epoch, epoch)
    if (!this.#history && OWNED.has(type) && epoch !== this.#claimed) this.#wrong("S20", `it was told at epoch ${epoch}, and the claim is ${this.#claimed}`)
    this.#judge(type, data)
  }

  /** Nothing comes any more: what has to be there together is. */
  end(): readonly Violation[] {
    for (const [id, job] of this.#jobs) {
      const admitted = this.#inputs.has(job.input)
      if (job.delivers && admitted !== (job.state === "settled")) this.#wrong("S23", `the job ${id} is ${job.state}, and its end was ${admitted ? "" : "not "}told to the session`)
    }
    return this.violations
  }

  #judge(type: string, data: Data): void {
    switch (type) {
      case "session.claimed": return this.#claim(data)
      case "session.forked": return void (this.#history = true)
      case "session.reverted": if (this.#isOpen()) this.#wrong("§3.2", "the session was at work"); return
      case "session.input.admitted": case "session.input.promoted": case "session.input.cancelled": case "session.input.delivery.changed": return this.#input(type, data)
      case "message.created": return this.#create(data.message, data.role === "assistant" ? "open" : "settled")
      case "message.part.started": case "message.part.appended": case "message.part.settled": return this.#part(type, data)
      case "message.settled": return this.#settleMessage(data)
      case "session.compaction.started": case "session.compaction.ended": case "session.compaction.failed": return this.#compact(type, data)
      default:
    }
    if (type.startsWith("activity.")) return this.#history ? undefined : this.#act(type, data)
    if (type.startsWith("provider.attempt.")) return this.#history ? undefined : this.#try(type, data)
    if (type.startsWith("tool.")) return this.#call(type, data)
    if (type.startsWith("job.")) return this.#work(type, data)
  }

  #claim({ epoch }: Data): void {
    this.#history = false
    if (epoch !== this.#event.epoch || epoch <= this.#claimed) this.#wrong("S20", `it claims epoch ${epoch} at ${this.#event.epoch}, after ${this.#claimed}`)
    this.#claimed = epoch
  }

  #input(type: string, data: Data): void {
    const known = this.#inputs.get(data.input)
    if (type === "session.input.admitted") {
      if (known || this.#messages.has(data.input)) return this.#wrong("S9", `the name ${data.input} was in use`)
      this.#inputs.set(data.input, { state: "pending", delivery: data.delivery, admitted: this.#seq, control: CONTROL.has(data.kind) })
      return
    }
    if (!known) return this.#wrong("S10", `there is no input ${data.input}`)
    this.#move(INPUT, known, type, "S10", data.input)
    if (type === "session.input.delivery.changed") known.delivery = data.delivery
    if (type !== "session.input.promoted" || known.control) return
    this.#create(data.input, "settled")
    if (!this.#history) this.#promote(data, known)
  }

  /** Steers in the order of their admission, at any boundary; of the queue one, its first, and only to begin with. */
  #promote({ input, activity: id }: Data, { delivery, admitted }: Input): void {
    const activity = this.#activity
    if (!activity || activity.id !== id || activity.state !== "open") return this.#wrong("S10", `${input} went to ${id}, which is not at work`)
    if (!activity.settled) this.#wrong("S10", `${input} came in the middle of a turn`)
    for (const [other, { state, delivery: same, admitted: before, control }] of this.#inputs) if (state === "pending" && same === delivery && before < admitted && !control) this.#wrong("S10", `${input} overtook ${other}`)
    if (activity.opener !== undefined && activity.opener !== input) this.#wrong("S10", `${activity.opener} opened ${id}, and ${input} was its first`)
    activity.opener = undefined
    if (delivery !== "queue") return
    if (!activity.fresh || activity.queued) this.#wrong("S10", `${input} was to wait until ${id} is done`)
    activity.queued = true
  }

  #act(type: string, data: Data): void {
    if (type === "activity.opened") return this.#open(data)
    const activity = this.#activity
    if (!activity || activity.id !== data.activity) return this.#wrong("S10", `${data.activity} is not the activity of now`)
    if (type === "activity.recovery.decided") return this.#decide(activity, data)
    this.#move(ACTIVITY, activity, type, "§3.2", activity.id)
    switch (type) {
      case "activity.turn.started":
        if (activity.allowance-- <= 0) this.#wrong("S18", `turn ${data.turn} of ${activity.id} was not paid for`)
        if (data.turn !== activity.turn + 1 || !activity.settled) this.#wrong("§3.2", `turn ${data.turn} follows ${activity.turn}${activity.settled ? "" : ", which is not settled"}`)
        Object.assign(activity, { turn: data.turn, settled: false, fresh: false })
        this.#attempt = undefined
        this.#turnCalls = []
        return
      case "activity.turn.settled":
        if (data.turn !== activity.turn || activity.settled) this.#wrong("§3.2", `turn ${data.turn} is not the one under way`)
        if (this.#attempt && LIVE.has(this.#attempt.state)) this.#wrong("§3.2", `turn ${data.turn} was settled, and its attempt is ${this.#attempt.state}`)
        this.#allAnswered(`turn ${data.turn} was settled`)
        activity.settled = true
        return
      case "activity.resumed": case "activity.allowance.refilled":
        Object.assign(activity, { allowance: data.allowance ?? activity.allowance, fresh: true, queued: false, recoveries: 0 })
        return
      case "activity.recovery.started":
        if (data.recoveries !== activity.recoveries + 1) this.#wrong("S21", `recovery ${data.recoveries} of ${activity.id}, after ${activity.recoveries}`)
        activity.recoveries = data.recoveries
        return
      case "activity.settled": case "activity.interrupted":
        if (!activity.settled) this.#wrong("§3.2", `${activity.id} ended in the middle of turn ${activity.turn}`)
        return
      default:
    }
  }

  #open({ activity: id, ordinal, opener, allowance }: Data): void {
    const before = this.#activity
    if (before && !OVER.has(before.state)) this.#wrong("S10", `${before.id} is still ${before.state}`)
    if (ordinal !== (before?.ordinal ?? 0) + 1 && before) this.#wrong("§3.2", `activity ${ordinal} follows ${before.ordinal}`)
    this.#activity = { id, ordinal, state: "open", allowance, turn: 0, settled: true, recoveries: 0, fresh: true, queued: false, ...(opener !== undefined && { opener }) }
  }

  /** A person's word about what nobody can know: it ends the attempt that may have been sent, and its activity or its wait. */
  #decide(activity: Activity, data: Data): void {
    const step = stepOf("activity.recovery.decided", data)
    this.#move(ACTIVITY, activity, step, "§3.2", activity.id)
    activity.fresh = activity.state === "open"
    const attempt = this.#attempt
    if (attempt?.state !== "unknown") return
    this.#move(ATTEMPT, attempt, step, "§3.3", attempt.id)
    Object.assign(attempt, { outcome: data.decision === "retry" ? "lost" : "abandoned", decided: true })
  }

  #try(type: string, data: Data): void {
    if (type === "provider.attempt.prepared") return this.#prepare(data)
    const attempt = this.#attempt
    if (!attempt || attempt.id !== data.attempt) return this.#wrong("S20", `${data.attempt} is not the attempt of now`)
    if (type === "provider.attempt.settled" && data.outcome === "not-sent" && attempt.state !== "prepared") this.#wrong("S12", `${attempt.id} was ${attempt.state}: it may have been sent`)
    this.#move(ATTEMPT, attempt, type, "§3.3", attempt.id)
    if (type === "provider.attempt.settled") attempt.outcome = data.outcome
  }

  #prepare({ attempt: id, activity: of, turn, n, message, class: kind }: Data): void {
    const [activity, before] = [this.#activity, this.#attempt]
    if (!activity || activity.id !== of || activity.state !== "open" || activity.turn !== turn || activity.settled) this.#wrong("S10", `${id} is not of the turn under way`)
    if (before && LIVE.has(before.state)) this.#wrong("S10", `${before.id} is still ${before.state}`)
    if (n !== (before?.n ?? 0) + 1) this.#wrong("S11", `try ${n} follows ${before?.n ?? 0}`)
    if (before?.outcome === "completed" || before?.outcome === "truncated") this.#wrong("S11", `${before.id} was answered`)
    if (before?.class === "unsafe" && before.outcome === "lost" && !before.decided) this.#wrong("S22", `${before.id} may have done something, and nobody decided to send it again`)
    if (activity && activity.recoveries > MOST_RECOVERIES) this.#wrong("S21", `${id} follows recovery ${activity.recoveries}: a person was to be asked`)
    this.#allAnswered(`${id} was built`)
    this.#attempt = { id, turn, n, state: "prepared", message, class: kind, decided: false }
  }

  #call(type: string, data: Data): void {
    if (type === "tool.called") {
      if (this.#calls.has(data.call)) return this.#wrong("S14", `the call ${data.call} was made before`)
      if (this.#messages.get(data.message) !== "open") this.#wrong("S14", `${data.call} is of ${data.message}, which is not being written`)
      this.#calls.set(data.call, { state: next(CALL, NONE, type)!, message: data.message, runs: 0, recovery: data.recovery })
      this.#turnCalls.push(data.call)
      return
    }
    const call = this.#calls.get(data.call)
    if (!call || call.message !== data.message) return this.#wrong("S14", `there is no call ${data.call} in ${data.message}`)
    this.#move(CALL, call, type, "§3.4", data.call)
    if (type === "tool.started" || type === "tool.restarted") call.runs++
    if (call.runs > (call.recovery === "rerun" ? MOST_RUNS : 1)) this.#wrong("S13", `${data.call} (${call.recovery}) ran ${call.runs} times`)
  }

  #allAnswered(when: string): void {
    for (const id of this.#turnCalls) if (this.#calls.get(id)!.state !== "settled") this.#wrong("S14", `${when}, and the call ${id} is ${this.#calls.get(id)!.state}`)
  }

  #create(message: string, state: "open" | "settled"): void {
    if (this.#messages.has(message)) this.#wrong("S15", `the message ${message} is there already`)
    this.#messages.set(message, state)
  }

  #part(type: string, { message, part: id, text, length, sha256 }: Data): void {
    if (this.#messages.get(message) !== "open") return this.#wrong("S15", `${message} is not being written`)
    if (type === "message.part.started") {
      if (this.#parts.has(id)) return this.#wrong("S15", `the part ${id} is there already`)
      return void this.#parts.set(id, { message, hash: createHash("sha256"), length: 0 })
    }
    const part = this.#parts.get(id)
    if (!part || part.message !== message) return this.#wrong("S15", `there is no part ${id} in ${message}`)
    if (type === "message.part.appended") {
      part.hash.update(text)
      part.length += text.length
      return
    }
    const whole = text === undefined ? part : { hash: createHash("sha256").update(text), length: text.length }
    if (whole.length !== length || whole.hash.digest("base64url") !== sha256) this.#wrong("S15", `the part ${id} is not what came of it`)
    this.#parts.delete(id)
  }

  #settleMessage({ message }: Data): void {
    if (this.#messages.get(message) !== "open") return this.#wrong("S15", `${message} is not being written`)
    this.#messages.set(message, "settled")
    for (const [id, part] of this.#parts) if (part.message === message) this.#parts.delete(id)
  }

  #compact(type: string, { compaction: id, through }: Data): void {
    if (type === "session.compaction.started") {
      if (this.#compaction?.state === "started") this.#wrong("S25", `${this.#compaction.id} is not over`)
      return void (this.#compaction = { id, state: "started" })
    }
    if (this.#compaction?.id !== id) return this.#wrong("S25", `${id} was not begun`)
    this.#move(COMPACTION, this.#compaction!, type, "S25", id)
    if (type !== "session.compaction.ended") return
    if (through >= this.#seq || through < this.#boundary) this.#wrong("S25", `it folds up to ${through}, and the one before it up to ${this.#boundary}`)
    this.#boundary = through
  }

  #work(type: string, data: Data): void {
    if (type === "job.opened") {
      if (this.#jobs.has(data.job)) return this.#wrong("S23", `the job ${data.job} is there already`)
      return void this.#jobs.set(data.job, { state: "opened", input: data.input, delivers: data.delivery !== "inform", began: false })
    }
    const job = this.#jobs.get(data.job)
    if (!job) return this.#wrong("S23", `there is no job ${data.job}`)
    this.#move(JOB, job, type, "§3.5", data.job)
    if (type === "job.started") job.began = true
    // Begun says which process it is; that one may still have been told nothing, and then it never ran.
    if (type === "job.settled" && !job.began && !UNBEGUN.has(data.outcome)) this.#wrong("S23", `${data.job} never ran, and ended ${data.outcome}`)
  }

  #isOpen(): boolean { return this.#activity?.state === "open" }

  #move(machine: Machine, row: { state: string }, event: string, law: string, id: string): void {
    const to = next(machine, row.state, event)
    if (to === undefined) return this.#wrong(law, `${id} was ${row.state}`)
    row.state = to
  }

  #wrong(law: string, what: string): void {
    const { seq, type } = this.#event
    if (this.violations.length < MOST) this.violations.push({ law, seq, what: `${type}: ${what}` })
  }
}
