/**
 * The service `session`: commands that any process may give, each one commit, and reads from the rows. It runs nothing
 * itself; after a commit it knocks at the runner of the session's project.
 */
import { createHash, randomBytes } from "node:crypto"
import { realpathSync, statSync } from "node:fs"
import { locationOf, Moved, type Graft } from "graft"
import type { Json } from "../eventlog/contract.ts"
import type { Delivery, Ended, Receipt, Session, SessionFacts, Sessions } from "./contract.ts"
import { SessionError } from "./errors.ts"
import { atMostPending, countPending, endOf, getInput, getSession, inboxOf, isBusy, listSessions, pageMessages, unfinishedOf } from "./rows.ts"
import { wantedChange, wantedPrompt, wantedSession } from "./wanted.ts"

/** Inputs that may wait in one session. */
const MOST_PENDING = 200
const ENDINGS = ["activity.settled", "activity.interrupted", "activity.parked", "session.input.cancelled"]

export interface Idle {
  /** The next `session.idle` of a session in this process. */
  next(session: string, signal: AbortSignal): Promise<Ended>
}

export function makeSessions(graft: Graft, idle: Idle): Sessions {
  const { store, eventlog } = graft

  async function known(id: string): Promise<Session> {
    const session = await getSession(store, id)
    if (!session) throw new SessionError("session.unknown", `there is no session "${id}"; session.list shows those that are`)
    return session
  }

  const fact = <T extends keyof SessionFacts>(type: T, data: SessionFacts[T]) => ({ type, data: data as Json })

  async function admit(session: Session, input: string, text: string, delivery: Delivery, resume: boolean): Promise<Receipt> {
    const hash = digest(text)
    const before = await getInput(store, session.id, input)
    if (before && before.hash !== hash) throw conflict(input)
    if (!before) {
      if (await countPending(store, session.id) >= MOST_PENDING) throw full(session.id)
      await askAdmission(session, text, delivery)
    }
    const title = session.title === "" ? [fact("session.updated", { title: titleOf(text) })] : []
    try {
      await eventlog.append({
        aggregate: session.id, actor: "user", location: session.location,
        command: { id: `${session.id}/${input}`, kind: "prompt", hash },
        events: [fact("session.input.admitted", { input, delivery, resume, text, hash }), ...title],
        // Others may be admitting at this very moment.
        writes: [atMostPending(session.id, MOST_PENDING)],
      })
    } catch (error) {
      if (codeOf(error) === "store.conflict") throw full(session.id)
      throw codeOf(error) === "eventlog.conflict" ? conflict(input) : error
    }
    const { admitted, state } = (await getInput(store, session.id, input))!
    const head = await eventlog.head(session.id)
    return { session: session.id, input, seq: admitted, cursor: `${head!.cursor.slice(0, head!.cursor.lastIndexOf(":"))}:${admitted}`, state }
  }

  async function askAdmission(session: Session, text: string, delivery: Delivery): Promise<void> {
    using project = await graft.at(session.location)
    const answer = await project.decide("input.admit", { session: session.id, text, delivery })
    if (answer && "refuse" in answer) throw new SessionError("session.refused", answer.refuse)
  }

  /** The next event in the log of a session that another process runs which may have been its last. */
  async function foreignEnding(id: string, after: number, signal: AbortSignal): Promise<void> {
    const tail = eventlog.tail({ aggregate: id, after })[Symbol.asyncIterator]()
    signal.addEventListener("abort", () => void tail.return?.().catch(() => {}), { once: true })
    for (let next = await tail.next(); !next.done && !signal.aborted; next = await tail.next()) if (ENDINGS.includes(next.value.type)) return
  }

  async function run(id: string): Promise<void> {
    const session = await known(id)
    using project = await graft.at(session.location)
    await project.runner.run(id)
  }

  return {
    async create(init) {
      const { directory, title = "", model, agent, id = newId("ses"), parent } = wantedSession(init)
      if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) throw new SessionError("session.directory", `${directory} is not a directory: a session needs one to work in`)
      const real = realpathSync(directory)
      const location = locationOf(real)
      const data = { directory: real, location, title, ...(model && { model }), ...(agent && { agent }), ...(parent && { parent }) }
      try {
        await eventlog.append({
          aggregate: id, create: "session", actor: "user", location,
          command: { id: `${id}/create`, kind: "create", hash: digest(JSON.stringify(data)) }, events: [fact("session.created", data)],
        })
      } catch (error) {
        throw codeOf(error) === "eventlog.conflict" ? new SessionError("session.conflict", `session "${id}" exists and was created differently; choose another id`) : error
      }
      return known(id)
    },

    get: (id) => getSession(store, id),
    list: (query = {}) => listSessions(store, query),

    async update(id, change) {
      const session = await known(id)
      const { title, model, archived } = wantedChange(change)
      const data = { ...(title !== undefined && { title }), ...(model !== undefined && { model }), ...(archived !== undefined && { archived }) }
      if (Object.keys(data).length === 0) return session
      await eventlog.append({ aggregate: id, actor: "user", location: session.location, events: [fact("session.updated", data)] })
      return known(id)
    },

    async prompt(prompt) {
      const { session: id, text, delivery = "steer", id: input = newId("inp"), resume = true } = wantedPrompt(prompt)
      const session = await known(id)
      const receipt = await admit(session, input, text, delivery, resume)
      if (!resume || receipt.state !== "pending") return receipt
      using project = await graft.at(session.location)
      await project.runner.wake(id)
      return receipt
    },

    async cancel(id, input) {
      const session = await known(id)
      if ((await getInput(store, id, input))?.state !== "pending") return false
      try {
        await eventlog.append({ aggregate: id, actor: "user", location: session.location, events: [fact("session.input.cancelled", { input })] })
        return true
      } catch (error) {
        // The runner took it in between.
        if (codeOf(error) === "store.conflict") return false
        throw error
      }
    },

    inbox: (id) => inboxOf(store, id),
    unfinished: (location, owner) => unfinishedOf(store, location, owner),

    run,
    resume: run,

    async interrupt(id, reason) {
      const session = await known(id)
      if (session.status !== "parked" && !(await isBusy(store, id))) return
      await eventlog.append({ aggregate: id, actor: "user", location: session.location, events: [fact("session.interrupt.requested", reason === undefined ? {} : { reason })] })
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

    messages: (id, page = {}) => pageMessages(store, eventlog, id, page),
    events: (id, { after } = {}) => eventlog.tail({ aggregate: id, ...(after === undefined ? {} : { after }) }),
  }
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code
const full = (session: string) => new SessionError("session.full", `${MOST_PENDING} inputs of session ${session} already wait; let it work, or take some back`)
const conflict = (input: string) => new SessionError("session.conflict", `input "${input}" was admitted before with another text; choose another id`)
const digest = (text: string): string => createHash("sha256").update(text).digest("base64url").slice(0, 22)

/** Sortable by creation: milliseconds in base 36, then chance. */
const newId = (prefix: string): string => `${prefix}_${Date.now().toString(36).padStart(9, "0")}${randomBytes(7).toString("hex")}`

/** The first line of what was asked, until somebody finds a better one. */
const titleOf = (text: string): string => {
  const line = text.trim().split("\n", 1)[0]!.trim()
  return line.length > 60 ? `${line.slice(0, 59).toWellFormed()}…` : line
}
