/**
 * One drain a session at a time, sessions beside each other. A knock while one runs is a bit, read after the drain's last
 * look; so knocks coalesce and none is lost. Seats outlive the generations of this plugin: a newer one finds who still
 * sits, rings the same bell, and takes the seat over between two turns.
 */
import { messageOf, Moved, type Graft } from "graft"
import { endedOf, noUsage } from "../lib/ended.ts"
import type { StoredEvent } from "../eventlog/contract.ts"
import type { Ended } from "../session/contract.ts"
import type { Seen } from "./attached.ts"
import { drain } from "./drain.ts"
import { Ledger } from "./ledger.ts"
import type { Runner } from "./contract.ts"
import { emptyState, evolve, type State } from "./state.ts"

export interface Seat {
  /** `handed`: its generation retired between two turns, and nobody has taken over yet. */
  phase: "draining" | "handed"
  /** Somebody knocked since the last look. */
  bell: boolean
  wanted: { force: boolean; turning: boolean }
  interrupt: Interrupt
  /** Settles once the claim is had and what a dead owner left is decided, or refused. */
  claimed: PromiseWithResolvers<void>
  /** Undefined: another process has the session. */
  end: PromiseWithResolvers<Ended | undefined>
}
interface Interrupt { controller: AbortController; done: PromiseWithResolvers<void> }
export type Seats = Map<string, Seat>
/** `seq`: up to here all events are in it; of those after it, what was written under `epoch`. */
interface Known { state: State; seq: number; epoch: number }

/** Conversations kept in memory between drains. */
const MOST_KEPT = 8
/** Milliseconds; what hangs while it comes up is not waited for longer. */
const PATIENCE = 10_000
/** Refusals by the log that are met by reading again (an input taken back in between), in a row. */
const MOST_CONFLICTS = 3

export function makeCoordinator(graft: Graft, seats: Seats, project: { up: boolean }): Runner & { adopt(): Promise<void> } {
  const location = graft.location!
  const contexts = new Map<string, number>()
  const seen: Seen = new Map()
  const kept = new Map<string, Known>()
  // It may come again, by an import, and is another one then.
  graft.on("session.deleted", ({ session }) => void kept.delete(session))

  function start(session: string, { force = false, interrupt }: { force?: boolean; interrupt?: string } = {}): Seat {
    // A call that entered here while the next generation took over is made again there.
    if (graft.retiring.aborted) throw new Moved()
    // What was asked of a seat that was handed over is asked of this one.
    const handed = seats.get(session)
    const seat: Seat = {
      phase: "draining", bell: false, wanted: { force: force || handed?.wanted.force === true, turning: false }, interrupt: handed?.interrupt ?? uninterrupted(),
      claimed: Promise.withResolvers(), end: handed?.end ?? Promise.withResolvers(),
    }
    seat.claimed.promise.catch(() => {})
    if (interrupt !== undefined) seat.interrupt.controller.abort(interrupt)
    seats.set(session, seat)
    graft.fork(() => sit(session, seat), { hold: true })
    return seat
  }

  /** The first request of a project waits for those that come up beside this plugin: its tools, its instructions. */
  async function comeUp(): Promise<void> {
    if (!project.up) await graft.kernel.settled(PATIENCE).catch(() => {})
    project.up = true
  }

  /** From the first knock to idleness, or to the hand-over. However it ends, the seat is free and nobody waits at it. */
  async function sit(id: string, seat: Seat): Promise<void> {
    let ended: Ended | undefined
    try {
      using _open = await graft.at(location)
      await comeUp()
      let more = true
      for (let conflicts = 0; more; more = await goesOn(id, seat)) {
        try {
          const { outcome, standing } = await once(id, seat)
          ended = standing
          if (outcome === "handed") return await hand(id, seat)
          if (outcome === "moved") return await moveOn(id, seat)
          if (outcome === "interrupted") {
            seat.interrupt.done.resolve()
            seat.interrupt = uninterrupted()
          }
          conflicts = 0
        } catch (error) {
          kept.delete(id)
          if (codeOf(error) !== "store.conflict" || ++conflicts > MOST_CONFLICTS) throw error
        }
      }
    } catch (error) {
      seat.claimed.reject(error)
      // Another process has it, and sees the input itself.
      if (codeOf(error) !== "eventlog.owned") {
        graft.log.error(`session ${id} stopped:`, error)
        ended = { ...(ended ?? endedOf(id, undefined, noUsage(), 0)), state: "failed", code: String(codeOf(error) ?? "runner.stopped"), reason: messageOf(error) }
      }
    }
    if (seats.get(id) === seat) seats.delete(id)
    seat.claimed.resolve()
    seat.interrupt.done.resolve()
    seat.end.resolve(ended)
    if (ended) graft.emit("session.idle", ended)
  }

  /** The last look. The bell is read and the seat given up in one step, so that whoever knocks rings it or finds it free. */
  async function goesOn(id: string, seat: Seat): Promise<boolean> {
    do {
      seat.bell = false
      if (seat.wanted.force || (await isEligible(id))) return true
    } while (seat.bell)
    return !seats.delete(id)
  }

  /** One claim: take it, read what is not known yet, drain, give it back. */
  async function once(id: string, seat: Seat): Promise<{ outcome: Awaited<ReturnType<typeof drain>>; standing: Ended }> {
    const session = await graft.session.get(id)
    if (!session) throw Object.assign(new Error(`there is no session "${id}"`), { code: "session.unknown" })
    const owner = await graft.eventlog.runtime()
    const { epoch } = await graft.eventlog.claim(id, owner)
    const { state, seq } = await load(id)
    const ledger = new Ledger(graft.eventlog, { session: id, location, owner, epoch }, state, seq)
    ledger.tell("session.claimed", { owner, epoch })
    const outcome = await drain({
      graft, session, ledger, decided: () => seat.claimed.resolve(), contexts, seen, chance: Math.random, wanted: seat.wanted, interrupt: seat.interrupt.controller.signal,
      stop: AbortSignal.any([seat.interrupt.controller.signal, ledger.lost, graft.signal]),
    })
    seat.claimed.resolve()
    await ledger.commit()
    if (outcome !== "handed") await graft.eventlog.release(id, epoch)
    keep(id, { state, seq: ledger.seen, epoch })
    const { activity } = state
    const standing = activity && { ...activity, ...(activity.blocked !== undefined && { rule: activity.blocked }) }
    return { outcome, standing: endedOf(id, standing, activity?.usage ?? noUsage(), activity?.turns ?? 0) }
  }

  /** The conversation as of this claim: what is known already, and what others have said since. */
  async function load(id: string): Promise<Omit<Known, "epoch">> {
    const known = kept.get(id)
    kept.delete(id)
    const state = known?.state ?? emptyState(id)
    const told = (event: StoredEvent) => event.epoch === known?.epoch && (event.actor.startsWith("runtime:") || isTakenIn(state, event))
    let seq = known?.seq ?? 0
    for (let head = Infinity; seq < head; ) {
      const page = await graft.eventlog.read({ aggregate: id, after: seq, limit: 4_096 })
      for (const event of page.events) if (!told(event)) evolve(state, event)
      head = page.head
      seq = page.events.at(-1)?.seq ?? head
    }
    return { state, seq }
  }

  function keep(id: string, known: Known): void {
    kept.set(id, known)
    for (const [oldest] of kept) if (kept.size > MOST_KEPT) kept.delete(oldest)
  }

  /** The next generation goes on; where there is none, whoever comes next finds the work unfinished. */
  async function hand(id: string, seat: Seat): Promise<void> {
    seat.phase = "handed"
    await graft.runner.wake(id).catch((error: unknown) => graft.log.warn(`session ${id} waits for a runner:`, error))
  }

  /** The runner of the project in which it works now goes on with it, under its own seat. */
  async function moveOn(id: string, seat: Seat): Promise<void> {
    const { location: there } = (await graft.session.get(id))!
    kept.delete(id)
    if (seats.get(id) === seat) seats.delete(id)
    using project = await graft.at(there)
    await project.runner.wake(id)
    seat.claimed.resolve()
    seat.interrupt.done.resolve()
    seat.end.resolve(await project.runner.ended(id))
  }

  const isEligible = (id: string): Promise<boolean> => graft.session.busy(id)
  const unfinished = async (): Promise<string[]> => graft.session.unfinished(location, await graft.eventlog.runtime())

  /** A wait that this generation does not outlive: it is made again on the next one. */
  async function orMoved<T>(wait: Promise<T>): Promise<T> {
    const moved = Promise.withResolvers<never>()
    const move = () => moved.reject(new Moved())
    if (graft.retiring.aborted) move()
    graft.retiring.addEventListener("abort", move, { once: true })
    try {
      return await Promise.race([wait, moved.promise])
    } finally {
      graft.retiring.removeEventListener("abort", move)
    }
  }

  return {
    async wake(id) {
      const seat = seats.get(id)
      if (seat?.phase === "draining") return void (seat.bell = true)
      if (seat === undefined && !(await isEligible(id))) return
      if (seats.get(id)?.phase === "draining") return void (seats.get(id)!.bell = true)
      await start(id).claimed.promise.catch((error: unknown) => { if (codeOf(error) !== "eventlog.owned") throw error })
    },

    async run(id) {
      const seat = seats.get(id)
      if (seat?.phase !== "draining") return start(id, { force: true }).claimed.promise
      // A turn that runs is the attempt that was asked for; one that is over is followed by another.
      if (seat.wanted.turning) return
      seat.wanted.force = true
      seat.bell = true
    },

    async interrupt(id, reason = "interrupted") {
      const sitting = seats.get(id)?.phase === "draining"
      const seat = sitting ? seats.get(id)! : start(id, { interrupt: reason })
      const { controller, done } = seat.interrupt
      seat.bell = false
      controller.abort(reason)
      if (!sitting) await seat.claimed.promise
      await orMoved(done.promise)
    },

    async ended(id) {
      const seat = seats.get(id)
      return seat && orMoved(seat.end.promise)
    },

    active: async () => [...seats.keys()],

    request: async (session, attempt) => (await import("./past.ts")).pastRequest(graft, session, attempt),

    async discover() {
      const found = (await graft.session.open(location)).filter((id) => !seats.has(id))
      const claimed = await Promise.all(found.map((id) => start(id).claimed.promise.then(() => id, () => undefined)))
      return claimed.filter((id) => id !== undefined)
    },

    /** What an earlier generation of this process left between two turns. */
    async adopt() {
      for (const id of await unfinished()) if (seats.get(id)?.phase !== "draining") start(id)
    },
  }
}

const isTakenIn = ({ transcript, taken }: State, { type, data }: StoredEvent): boolean => {
  const { input } = data as { input?: string }
  return type === "session.input.admitted" && (transcript.byId.has(input!) || taken.has(input!))
}
const uninterrupted = (): Interrupt => ({ controller: new AbortController(), done: Promise.withResolvers() })
const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code
