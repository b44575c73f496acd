/**
 * The service `session`: commands that any process may give, each one commit, and reads from the rows. It runs nothing
 * itself; after a commit it knocks at the runner of the session's project.
 */
import { realpathSync, statSync } from "node:fs"
import { locationOf, Moved, type Graft } from "graft"
import type { Json } from "../eventlog/contract.ts"
import { newId } from "../lib/ids.ts"
import { codeOf, fact, makeContext, type Context, type Fact } from "./context.ts"
import type { Decision, Ended, InputKind, Receipt, Session, Sessions } from "./contract.ts"
import { SessionError } from "./errors.ts"
import { admit, digest, type Asked } from "./input/admission.ts"
import { endOf, getInput, getSession, inboxOf, isBusy, listSessions, openOf, pageMessages, undecidedOf, unfinishedOf } from "./rows.ts"
import { wantedChange, wantedDelivery, wantedPrompt, wantedSession } from "./wanted.ts"

const ENDINGS = ["activity.settled", "activity.interrupted", "activity.parked", "activity.recovery.decided", "session.input.cancelled"]

export interface Idle {
  /** The next `session.idle` of a session in this process. */
  next(session: string, signal: AbortSignal): Promise<Ended>
}

export function makeSessions(graft: Graft, idle: Idle): Sessions {
  const { store, eventlog } = graft
  const context = makeContext(graft)
  const { known } = context

  /** Into the inbox, and a knock at the runner of the session's project. */
  async function take(id: string, asked: Asked): Promise<Receipt> {
    const session = await settled(await known(id))
    const receipt = await admit(context, session, asked)
    if (!asked.resume || receipt.state !== "pending") return receipt
    using project = await graft.at(session.location)
    await project.runner.wake(id)
    return receipt
  }

  /** For the runner to do, alone, at the next safe boundary. */
  const control = (id: string, kind: InputKind, data: Json): Promise<Receipt> => take(id, { input: newId("inp"), text: "", delivery: "steer", resume: true, kind, data })

  /** Of what the runner may take in at any moment. */
  async function change(id: string, input: string, facts: readonly Fact[]): Promise<boolean> {
    const session = await known(id)
    if ((await getInput(store, id, input))?.state !== "pending") return false
    try {
      await context.say(session, facts)
      return true
    } catch (error) {
      // The runner took it in between.
      if (codeOf(error) === "store.conflict") return false
      throw error
    }
  }

  /** The next event in the log of a session that another process runs which may have been its last. */
  async function foreignEnding(id: string, after: number, signal: AbortSignal): Promise<void> {
    const tail = eventlog.tail({ aggregate: id, after })[Symbol.asyncIterator]()
    signal.addEventListener("abort", () => void tail.return?.().catch(() => {}), { once: true })
    for (let next = await tail.next(); !next.done && !signal.aborted; next = await tail.next()) if (ENDINGS.includes(next.value.type)) return
  }

  /** Where its owner may have died, that is settled first: what is asked for next is said to what there is then. */
  async function settled(session: Session): Promise<Session> {
    if (session.status !== "running") return session
    using project = await graft.at(session.location)
    if ((await project.runner.active()).includes(session.id)) return session
    await project.runner.wake(session.id)
    return known(session.id)
  }

  async function decide(session: Session, decision: Decision, actor?: string): Promise<boolean> {
    const open = session.status === "parked" ? await undecidedOf(store, session.id) : undefined
    if (!open) return false
    try {
      await context.say(session, [fact("activity.recovery.decided", { ...open, decision })], { ...(actor !== undefined && { actor }) })
      return true
    } catch (error) {
      // Somebody else decided at this very moment.
      if (codeOf(error) === "store.conflict") return false
      throw error
    }
  }

  async function run(id: string): Promise<void> {
    const session = await settled(await known(id))
    await decide(session, "retry")
    using project = await graft.at(session.location)
    await project.runner.run(id)
  }

  return {
    async create(init) {
      const { directory, title = "", model, agent, id = newId("ses"), parent } = wantedSession(init)
      const data = { ...placeOf(directory), title, ...(model && { model }), ...(agent && { agent }), ...(parent && { parent }) }
      try {
        await context.say({ id, location: data.location }, [fact("session.created", data)], { create: true, command: { id: `${id}/create`, kind: "create", hash: digest(JSON.stringify(data)) } })
      } catch (error) {
        throw codeOf(error) === "eventlog.conflict" ? new SessionError("session.conflict", `session "${id}" exists and was created differently; choose another id`) : error
      }
      return known(id)
    },

    get: (id) => getSession(store, id),
    list: (query = {}) => listSessions(store, query),

    async update(id, change) {
      const session = await known(id)
      const data = Object.fromEntries(Object.entries(wantedChange(change)).filter(([name, value]) => CHANGES.includes(name) && value !== undefined))
      if (Object.keys(data).length === 0) return session
      await context.say(session, [fact("session.updated", data)])
      return known(id)
    },

    async prompt(prompt) {
      const { session, text, delivery = "steer", id: input = newId("inp"), resume = true, files } = wantedPrompt(prompt)
      return take(session, { input, text, delivery, resume, ...(files && { files }) })
    },

    cancel: (id, input) => change(id, input, [fact("session.input.cancelled", { input })]),
    deliver: (id, input, delivery) => change(id, input, [fact("session.input.delivery.changed", { input, delivery: wantedDelivery(delivery) })]),
    compact: (id, instructions) => control(id, "compact", instructions === undefined ? {} : { instructions: wantedPrompt({ session: id, text: instructions }).text }),

    async move(id, directory) {
      const place = placeOf(directory)
      const session = await known(id)
      if (place.directory === session.directory) return session
      if (!(await moveAtOnce(context, session, place))) await control(id, "move", { ...place })
      return known(id)
    },

    inbox: (id) => inboxOf(store, id),
    unfinished: (location, owner) => unfinishedOf(store, location, owner),

    run,
    resume: run,
    busy: (id) => isBusy(store, id),
    open: (location) => openOf(store, location),

    async request({ session: id, attempt }) {
      const session = await known(id)
      using project = await graft.at(session.location)
      return project.runner.request(id, attempt)
    },

    async decide(id, decision, actor) {
      if (decision !== "retry" && decision !== "abandon") throw new SessionError("session.invalid", `a decision is retry or abandon, not "${String(decision)}"`)
      const session = await settled(await known(id))
      if (!(await decide(session, decision, actor))) throw new SessionError("session.nothing", `session ${id} waits for no decision`)
      using project = await graft.at(session.location)
      await (decision === "retry" ? project.runner.run(id) : project.runner.wake(id))
    },

    async interrupt(id, reason) {
      const session = await known(id)
      if (session.status !== "parked" && !(await isBusy(store, id))) return
      await context.say(session, [fact("session.interrupt.requested", reason === undefined ? {} : { reason })])
      using project = await graft.at(session.location)
      await project.runner.interrupt(id, reason)
    },

    async wait(id, { signal } = {}) {
      const session = await known(id)
      using project = await graft.at(session.location)
      for (;;) {
        const done = new AbortController()
        const stop = AbortSignal.any([done.signal, graft.retiring, ...(signal ? [signal] : [])])
        try {
          // Listen first, look second: nothing that ends in between is missed.
          const ended = idle.next(id, stop)
          const head = (await eventlog.head(id))!.seq
          const here = (await project.runner.active()).includes(id)
          if (!here && !(await isBusy(store, id))) return await endOf(store, id)
          const told = await (here ? ended : Promise.race([ended, foreignEnding(id, head, stop)]))
          // It stopped with work left: it says why, and nobody goes on with it here.
          if (told && (await isBusy(store, id)) && !(await project.runner.active()).includes(id)) return told
        } catch (error) {
          if (signal?.aborted) throw signal.reason
          if (graft.retiring.aborted) throw new Moved()
          if (codeOf(error) !== "Moved") throw error
        } finally {
          done.abort()
        }
      }
    },

    messages: (id, page = {}) => pageMessages(store, eventlog, id, page).catch(async (error: unknown) => (await import("./life/damage.ts")).orDamaged(context, id, () => Promise.reject(error))),
    events: (id, { after } = {}) => eventlog.tail({ aggregate: id, ...(after === undefined ? {} : { after }) }),

    // What is seldom wanted is loaded when it is.
    fork: async (id, options = {}) => (await import("./life/fork.ts")).fork(context, id, options),
    revert: async (id, options = {}) => (await import("./life/revert.ts")).revert(context, id, options),
    restore: async (id) => (await import("./life/revert.ts")).restore(context, id),
    remove: async (id) => (await import("./life/remove.ts")).remove(context, id),
    async *export(id, options = {}) { yield* (await import("./life/export.ts")).exportLines(context, id, options) },
    import: async (lines) => (await import("./life/import.ts")).importLines(context, lines),
    search: async (text, options = {}) => (await import("./life/search.ts")).search(context, text, options),
    describe: async (id) => (await import("./life/report.ts")).describe(context, id),
    check: async (id) => (await import("./life/damage.ts")).check(context, id),
  }
}

/** Nobody works in the old directory: a session that moves while it works is the runner's to move. */
async function moveAtOnce(context: Context, session: Session, place: { directory: string; location: string }): Promise<boolean> {
  const idle = { sql: "UPDATE session SET updated = updated WHERE id = ? AND NOT EXISTS (SELECT 1 FROM activity WHERE session = ? AND state = 'open') AND NOT EXISTS (SELECT 1 FROM session_input WHERE session = ? AND state = 'pending' AND resume = 1)", params: [session.id, session.id, session.id], expect: 1 }
  try {
    await context.say(session, [fact("session.moved", place)], { writes: [idle] })
    return true
  } catch (error) {
    if (codeOf(error) === "store.conflict") return false
    throw error
  }
}

const CHANGES: readonly string[] = ["title", "model", "archived", "agent"]

/** A directory as sessions know it: its real path, and the project that it is in. */
function placeOf(directory: string): { directory: string; location: string } {
  if (directory.includes("\0") || !statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw new SessionError("session.directory", `${directory} is not a directory: a session needs one to work in`)
  const real = realpathSync(directory)
  return { directory: real, location: locationOf(real) }
}
