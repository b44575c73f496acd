/**
 * Every open event stream: which requests ask for one, who is on it, its heartbeat. A new generation takes over the
 * connections where they are; the one before it lets go of them in the same moment.
 */
import { statSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { isAbsolute } from "node:path"
import { locationOf, type Graft, type Meta } from "graft"
import type { Refusal, Successor } from "../../contract.ts"
import type { Held } from "../held.ts"
import { isOpen, isStalled, openConnection, type Connection } from "./connection.ts"
import { Feed, LATE, NEW } from "./feed.ts"
import { namesOf } from "./filter.ts"
import { frameOf } from "./frame.ts"
import { placeIn } from "./ring.ts"
import { SessionStreams } from "./session.ts"

/** Streams at once. */
const MOST_STREAMS = 1_000
/** Milliseconds between two signs of life, and how many of them a client may take nothing for. */
const BEAT = 15_000
const PATIENCE = 4

const SESSION = /^\/sessions\/([^/]+)\/events\/stream$/

/** What a request asks for, or why it gets nothing. */
type Asked = { subject: Connection["subject"]; at: number; head: number } | Refusal

export const isStream = (path: string): boolean => path === "/events" || SESSION.test(path)

export class Streams {
  readonly #graft: Graft
  readonly #held: Held
  readonly #sessions: SessionStreams
  readonly #feed: Feed
  #beating = false

  constructor(graft: Graft, held: Held) {
    this.#graft = graft
    this.#held = held
    this.#sessions = new SessionStreams(graft)
    this.#feed = new Feed(graft, held.ring, held.started)
  }

  /** Takes over who is connected already. */
  adopt(): void {
    for (const connection of this.#held.connections) this.join(connection, connection.at)
    this.#graft.retiring.addEventListener("abort", () => {
      this.#sessions.stop()
      this.#feed.stop()
    }, { once: true })
  }

  hear(payload: unknown, meta: Meta): void {
    this.#feed.hear(payload, meta)
    this.#sessions.hear(payload, meta)
  }

  /** Answers with the stream, or gives why not. */
  async open(request: IncomingMessage, response: ServerResponse, url: URL, headers: Record<string, string>): Promise<Refusal | undefined> {
    if (request.method !== "GET") return { status: 405, code: "server.method", message: "an event stream is asked for with GET", headers: { allow: "GET" } }
    if (this.#held.connections.size >= MOST_STREAMS) return { status: 503, code: "server.full", message: `${MOST_STREAMS} event streams are open already`, headers: { "retry-after": "5" } }
    const asked = url.pathname === "/events" ? this.#askFeed(request, url) : await this.#askSession(request, url)
    if ("status" in asked) return asked
    if (response.destroyed) return
    const connection = openConnection(request, response, asked.subject, asked.at, headers)
    this.#held.connections.add(connection)
    // Whoever is in charge then is told.
    response.once("close", () => this.#held.left(connection))
    this.#held.join(connection, asked.head)
  }

  join(connection: Connection, head: number): void {
    if (connection.subject.kind === "session") this.#sessions.join(connection, head)
    else this.#feed.join(connection)
    this.#beat()
  }

  leave(connection: Connection): void {
    if (connection.subject.kind === "session") this.#sessions.leave(connection)
    else this.#feed.leave(connection)
  }

  /** Says to everybody who takes over. */
  sayDraining(successor: Successor): void {
    const frame = frameOf({ live: true, type: "draining", successor })
    this.#say(() => frame)
  }

  #askFeed(request: IncomingMessage, { searchParams }: URL): Asked {
    const events = namesOf(searchParams)
    if (!events) return { status: 400, code: "server.request", message: "events are names, noun.* or *, divided by commas; at most 100", field: "events" }
    const wanted = searchParams.get("location") ?? undefined
    if (wanted !== undefined && !isDirectory(wanted)) return { status: 400, code: "server.request", message: "location is the absolute path of a project: a directory that is there", field: "location" }
    const location = wanted === undefined ? undefined : locationOf(wanted)
    const last = lastEventId(request) ?? searchParams.get("after") ?? ""
    const at = last === "" ? NEW : (placeIn(this.#held.ring, last) ?? LATE)
    const filter = { ...(events.length > 0 && { events }), ...(location !== undefined && { location }) }
    return { subject: { kind: "feed", filter, answers: isYes(searchParams, "answers") }, at, head: 0 }
  }

  async #askSession(request: IncomingMessage, { pathname, searchParams }: URL): Promise<Asked> {
    const session = decoded(SESSION.exec(pathname)![1]!)
    const last = lastEventId(request)
    const field = last === undefined ? "after" : "last-event-id"
    const after = last ?? searchParams.get("after") ?? ""
    const [, log, seq] = /^(?:([\w-]+):)?(\d{1,15})$/.exec(after) ?? []
    if (after !== "" && seq === undefined) return { status: 400, code: "eventlog.cursor", message: `${field} is a cursor as a page or an event gave it`, field }
    const known = session === undefined ? undefined : await this.#graft.session.get(session)
    const head = known && (await this.#graft.eventlog.head(known.id))
    if (!known || !head) return { status: 404, code: "session.unknown", message: `there is no session "${session ?? ""}"`, field: "id" }
    const ours = head.cursor.slice(0, head.cursor.lastIndexOf(":"))
    if (log !== undefined && log !== ours) return { status: 410, code: "eventlog.cursor", message: "this cursor belongs to another log: this one was made anew since; start from its beginning", field }
    if (Number(seq ?? 0) > head.seq) return { status: 409, code: "eventlog.cursor", message: `this cursor is ahead of the head ${head.seq}: the log was put back to an earlier state; start from its beginning`, field }
    return { subject: { kind: "session", session: known.id, log: ours, live: isYes(searchParams, "live") }, at: Number(seq ?? 0), head: head.seq }
  }

  /** Who has not taken what came before has something to take. */
  #say(frame: (connection: Connection) => Buffer): void {
    for (const connection of this.#held.connections) if (isOpen(connection) && connection.response.writableLength === 0) connection.response.write(frame(connection))
  }

  /** As long as somebody is connected. A client sees that it is, and one that takes nothing is cut, alone. */
  #beat(): void {
    if (this.#beating || this.#graft.retiring.aborted) return
    this.#beating = true
    this.#graft.timeout(BEAT, () => {
      this.#beating = false
      const { connections } = this.#held
      for (const connection of connections) if (isStalled(connection, PATIENCE)) connection.response.destroy()
      this.#feed.flush()
      const frame = frameOf({ live: true, type: "heartbeat", at: Date.now() })
      this.#say((connection) => (connection.subject.kind === "feed" ? this.#feed.heartbeat(connection) : frame))
      if (connections.size > 0) this.#beat()
    })
  }
}

/** HTML, server-sent events: an empty one is none. Its bytes are UTF-8, which Node reads as Latin-1. */
function lastEventId({ headers }: IncomingMessage): string | undefined {
  const given = headers["last-event-id"]
  return typeof given === "string" && given !== "" ? Buffer.from(given, "latin1").toString() : undefined
}

const isYes = (query: URLSearchParams, name: string): boolean => ["1", "true", ""].includes(query.get(name) ?? "0")
const isDirectory = (path: string): boolean => isAbsolute(path) && !path.includes("\0") && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
