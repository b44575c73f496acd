/**
 * The loop of one session: look where it stands, do the next thing, look again, until nothing is left. Each step is
 * small, written down, and safe to lose; only a turn takes long. Between turns it may be handed to a newer runner.
 */
import type { Failure } from "../session/contract.ts"
import { ALLOWANCE, decide, type Pending, type Step } from "./decide.ts"
import { settleLeftovers } from "./recover.ts"
import { retryTurn, startTurn, takeIn, type Work } from "./turn.ts"

export interface Drain extends Work {
  /** Aborts with the reason when somebody interrupts. */
  interrupt: AbortSignal
  /** Shared with the coordinator: is an attempt wanted, is one being made? */
  wanted: { force: boolean; turning: boolean }
}

/** `handed`: this generation retires, and the next one goes on. */
export async function drain(work: Drain): Promise<"idle" | "handed" | "interrupted"> {
  const { graft, ledger, wanted } = work
  /** The attempt whose retry is due: the timer says so, whatever the wall clock does. */
  let due: string | undefined
  for (;;) {
    if (work.interrupt.aborted) return interrupt(work)
    if (graft.retiring.aborted) return "handed"
    const step = decide(ledger.state, await inbox(work), wanted.force, due !== undefined && due === ledger.state.activity?.turn?.attempt?.id ? Infinity : Date.now())
    switch (step.kind) {
      case "idle": return "idle"
      case "recover": abandon(work); break
      case "open": open(work, step); break
      case "resume": resume(work, step); break
      case "turn": await turn(work, () => startTurn(work, step.inputs, step.note)); break
      case "retry": await turn(work, () => retryTurn(work)); break
      case "wait": due = (await sleep(work, step.until)) ? step.attempt : undefined; break
      case "settle-turn": settleTurn(work); break
      case "park": await park(work, step); break
      case "settle": await settle(work, step); break
      default: step satisfies never
    }
    if (ledger.lost.aborted) throw ledger.lost.reason
  }
}

/** What was promoted in this drain may not be on disk yet. */
async function inbox({ graft, session, ledger }: Work): Promise<Pending[]> {
  return (await graft.session.inbox(session.id)).filter((input) => !ledger.state.transcript.byId.has(input.id))
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

function open(work: Drain, { by, inputs }: Extract<Step, { kind: "open" }>): void {
  const ordinal = (work.ledger.state.activity?.ordinal ?? 0) + 1
  work.ledger.tell("activity.opened", { activity: `a${ordinal}`, ordinal, by, allowance: ALLOWANCE, ...(inputs[0] && { opener: inputs[0].id }) })
  takeIn(work, inputs)
  status(work, "running")
}

function resume(work: Drain, { by, inputs }: Extract<Step, { kind: "resume" }>): void {
  work.ledger.tell("activity.resumed", { activity: work.ledger.state.activity!.id, by, allowance: ALLOWANCE })
  takeIn(work, inputs)
  status(work, "running")
}

function settleTurn({ ledger }: Drain): void {
  const { id, turn } = ledger.state.activity!
  ledger.tell("activity.turn.settled", { activity: id, turn: turn!.number })
}

async function park(work: Drain, { reason, rule }: Extract<Step, { kind: "park" }>): Promise<void> {
  work.ledger.tell("activity.parked", { activity: work.ledger.state.activity!.id, reason, ...(rule !== undefined && { rule }) })
  await work.ledger.commit()
  status(work, "parked")
}

async function settle(work: Drain, { outcome, error, note }: Extract<Step, { kind: "settle" }>): Promise<void> {
  work.ledger.tell("activity.settled", { activity: work.ledger.state.activity!.id, outcome, ...(error && { error }), ...(note && { note }) })
  await work.ledger.commit()
  status(work, outcome === "failed" ? "failed" : "idle")
}

/** The owner died in the middle of a turn. What it left is settled; who wants to go on says so by a new input or a run. */
function abandon({ ledger }: Drain): void {
  settleLeftovers(ledger)
  ledger.tell("activity.interrupted", { activity: ledger.state.activity!.id, reason: "the process that ran this stopped" })
}

/** An input that was admitted and not yet taken in is taken in, and interrupted with the rest: it starts nothing later. */
async function interrupt(work: Drain): Promise<"interrupted"> {
  const { ledger, interrupt } = work
  const step = decide(ledger.state, await inbox(work), false, 0)
  if (step.kind === "open") open(work, step)
  const { activity } = ledger.state
  if (activity?.state === "open" || activity?.state === "parked") {
    ledger.hold()
    settleLeftovers(ledger)
    ledger.tell("activity.interrupted", { activity: activity.id, reason: String(interrupt.reason ?? "interrupted") })
  }
  await ledger.commit()
  status(work, "idle")
  return "interrupted"
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

