/**
 * The loop of one session: look where it stands, do the next thing, look again, until nothing is left. Each step is
 * small, written down, and safe to lose; only a turn takes long. Between turns it may be handed to a newer runner.
 */
import type { Failure } from "../session/contract.ts"
import { compact, moveAway } from "./control.ts"
import { ALLOWANCE, decide, isDecision, type Pending, type Step } from "./decide.ts"
import { settleAttempt, settleCalls, settleLeftovers } from "./recover.ts"
import { retryTurn, startTurn, takeIn, type Work } from "./turn.ts"

export interface Drain extends Work {
  /** Aborts with the reason when somebody interrupts. */
  interrupt: AbortSignal
  /** Shared with the coordinator: is an attempt wanted, is one being made? */
  wanted: { force: boolean; turning: boolean }
  /** What a dead owner left is decided: from here on others may count on what the log says. */
  decided(): void
}

/** `handed`: this generation retires, and the next one goes on. `moved`: the session works in another project from here on. */
export type End = "idle" | "handed" | "interrupted" | "moved"

export async function drain(work: Drain): Promise<End> {
  const { graft, ledger, wanted } = work
  /** The attempt whose retry is due: the timer says so, whatever the wall clock does. */
  let due: string | undefined
  for (;;) {
    if (work.interrupt.aborted) return interrupt(work)
    if (graft.retiring.aborted) return "handed"
    const { state } = ledger
    const step = decide({ state, inbox: await inbox(work), force: wanted.force, now: due !== undefined && due === state.activity?.turn?.attempt?.id ? Infinity : Date.now(), auto: await mayPayTwice(work) })
    if (!isDecision(step)) work.decided()
    switch (step.kind) {
      case "idle": return "idle"
      case "recover": ledger.tell("activity.recovery.started", { activity: state.activity!.id, recoveries: step.recoveries }); await ledger.commit(); break
      case "left-attempt": settleAttempt(ledger, step.outcome); await ledger.commit(); break
      case "unknown": ledger.tell("provider.attempt.unknown", { attempt: step.attempt }); await park(work, { reason: "needs-decision" }); break
      case "left-calls": await settleCalls(work); break
      case "left-fold": ledger.tell("session.compaction.failed", { compaction: state.compacting!, error: { code: "compaction.interrupted", message: "the process that made the summary stopped" } }); break
      case "interrupt": return interrupt(work)
      case "exhaust": ledger.hold(); settleLeftovers(ledger, "error"); await park(work, { reason: "recovery-exhausted" }); break
      case "open": open(work, step, await allowance(work)); break
      case "resume": resume(work, step, await allowance(work)); break
      case "take": takeIn(work, step.inputs); break
      case "control": if (step.control.kind === "move") { await moveAway(work, step.control); return "moved" } await compact(work, "manual"); break
      case "turn": await turn(work, () => startTurn(work, step.inputs, step.note)); break
      case "retry": await turn(work, () => retryTurn(work)); break
      case "fold": await compact(work, "overflow"); break
      case "wait": due = (await sleep(work, step.until)) ? step.attempt : undefined; break
      case "settle-turn": settleTurn(work); break
      case "park": await park(work, step); break
      case "settle": await settle(work, step); break
      default: step satisfies never
    }
    if (ledger.lost.aborted) throw ledger.lost.reason
  }
}

/** Asked only where it matters. */
const mayPayTwice = async ({ graft, session, ledger }: Work): Promise<boolean> =>
  ledger.state.activity?.turn?.attempt?.state === "dispatched" && (await graft.config.get("recovery.billingOnly", session.location)) === "auto"

/** What was promoted in this drain may not be on disk yet. */
async function inbox({ graft, session, ledger }: Work): Promise<Pending[]> {
  const { transcript, taken } = ledger.state
  return (await graft.session.inbox(session.id)).filter((input) => !transcript.byId.has(input.id) && !taken.has(input.id))
}

/** A turn that could not even be asked for fails its activity; nothing was sent. */
async function turn(work: Drain, make: () => Promise<Failure | undefined>): Promise<void> {
  Object.assign(work.wanted, { force: false, turning: true })
  try {
    const failure = await make()
    if (!failure) return
    settleLeftovers(work.ledger, "error")
    await settle(work, { kind: "settle", outcome: "failed", error: failure })
  } finally {
    work.wanted.turning = false
  }
}

/** Its agent's own, where it has one; an agent that is gone is told when its turn is asked for. */
const allowance = async ({ graft, session }: Drain): Promise<number> =>
  session.agent === undefined ? ALLOWANCE : ((await graft.agent.get(session.agent).catch(() => undefined))?.turns ?? ALLOWANCE)

function open(work: Drain, { by, inputs }: Extract<Step, { kind: "open" }>, allowance: number): void {
  const ordinal = (work.ledger.state.activity?.ordinal ?? 0) + 1
  work.ledger.tell("activity.opened", { activity: `a${ordinal}`, ordinal, by, allowance, ...(inputs[0] && { opener: inputs[0].id }) })
  takeIn(work, inputs)
  status(work, "running")
}

function resume(work: Drain, { by, inputs }: Extract<Step, { kind: "resume" }>, allowance: number): void {
  work.ledger.tell("activity.resumed", { activity: work.ledger.state.activity!.id, by, allowance })
  takeIn(work, inputs)
  status(work, "running")
}

/** One that did not fit, and could not be made to, is over. */
function settleTurn({ ledger }: Drain): void {
  const { id, turn } = ledger.state.activity!
  const { message, number, attempt } = turn!
  if (ledger.state.transcript.byId.get(message)?.state === "open") ledger.tell("message.settled", { message, finish: "error", ...(attempt?.error && { error: attempt.error }) })
  ledger.tell("activity.turn.settled", { activity: id, turn: number })
}

async function park(work: Drain, { reason, rule }: Pick<Extract<Step, { kind: "park" }>, "reason" | "rule">): Promise<void> {
  work.ledger.tell("activity.parked", { activity: work.ledger.state.activity!.id, reason, ...(rule !== undefined && { rule }) })
  await work.ledger.commit()
  status(work, "parked")
}

async function settle(work: Drain, { outcome, error, note }: Extract<Step, { kind: "settle" }>): Promise<void> {
  work.ledger.tell("activity.settled", { activity: work.ledger.state.activity!.id, outcome, ...(error && { error }), ...(note && { note }) })
  await work.ledger.commit()
  status(work, outcome === "failed" ? "failed" : "idle")
}

/** An input that was admitted and not yet taken in is taken in, and interrupted with the rest: it starts nothing later. */
async function interrupt(work: Drain): Promise<"interrupted"> {
  const { ledger, interrupt } = work
  const reason = String(interrupt.reason ?? ledger.state.stop ?? "interrupted")
  const step = decide({ state: { ...ledger.state, stop: undefined }, inbox: await inbox(work), force: false, now: 0 })
  if (step.kind === "open") open(work, step, ALLOWANCE)
  const { activity } = ledger.state
  if (activity?.state === "open" || activity?.state === "parked") {
    ledger.hold()
    settleLeftovers(ledger)
    ledger.tell("activity.interrupted", { activity: activity.id, reason })
  }
  await ledger.commit()
  void cancelJobs(work)
  status(work, "idle")
  return "interrupted"
}

/** Those that were opened to end with the work. Whoever interrupts does not wait for them. */
async function cancelJobs({ graft, session, interrupt }: Drain): Promise<void> {
  try {
    const jobs = await graft.job.list({ session: session.id, live: true })
    await Promise.all(jobs.flatMap(({ id, onInterrupt }) => (onInterrupt === "cancel" ? graft.job.cancel(id, String(interrupt.reason ?? "interrupted")) : [])))
  } catch (error) {
    if ((error as { code?: unknown }).code !== "Unavailable") graft.log.warn("the jobs of an interrupted session were not all ended:", error)
  }
}

/** Until a retry is due, an interrupt, or this generation's end: the wait is in the log, so the next one goes on with it. */
async function sleep({ graft, interrupt }: Drain, until: number): Promise<boolean> {
  if (graft.retiring.aborted) return false
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = graft.timeout(Math.max(0, until - Date.now()), resolve)
  const wake = AbortSignal.any([interrupt, graft.retiring])
  wake.addEventListener("abort", () => resolve(), { once: true })
  if (wake.aborted) resolve()
  await promise
  cancel()
  return !wake.aborted
}

function status({ graft, session }: Drain, status: "idle" | "running" | "parked" | "failed"): void {
  graft.emit("session.status", { session: session.id, status })
}
