/**
 * The streams of sessions: for each that somebody follows one tail of the log, whose events are encoded once. Who comes
 * later, or is slow, reads pages of the log, which are encoded once as well.
 */
import { messageOf, type Graft, type Meta } from "graft"
import type { StoredEvent } from "../../../eventlog/contract.ts"
import { Channel, type Chunk } from "./channel.ts"
import type { Connection } from "./connection.ts"
import { frameOf } from "./frame.ts"

/** Events of one page, and the whole pages that are remembered, where they are small enough. */
const PAGE = 128
const MOST_PAGES = 16
const LARGEST_PAGE = 262_144

type Subject = Extract<Connection["subject"], { kind: "session" }>

/** One session that is followed. */
class Followed {
  readonly #graft: Graft
  readonly #session: string
  readonly #log: string
  readonly #stop = new AbortController()
  /** With what is only told, and without. */
  readonly #live: Channel
  readonly #stored: Channel
  readonly #pages = new Map<number, Promise<Chunk>>()
  readonly #end: (connection: Connection, error: unknown) => void
  #at: number

  constructor(graft: Graft, { session, log }: Subject, at: number, end: (connection: Connection, error: unknown) => void) {
    this.#graft = graft
    this.#session = session
    this.#log = log
    this.#at = at
    this.#end = end
    const source = { read: (after: number) => this.#read(after), level: (seq: number) => frameOf({ live: true, type: "synced", seq }), failed: end }
    this.#live = new Channel(at, source)
    this.#stored = new Channel(at, source)
    void this.#follow()
  }

  get size(): number { return this.#live.size + this.#stored.size }
  channelOf({ subject }: Connection): Channel { return (subject as Subject).live ? this.#live : this.#stored }

  hear(event: string, data: unknown, at: number): void {
    if (this.#live.size > 0) this.#live.tell(frameOf({ live: true, type: "told", event, data, at }))
  }

  stop(): void {
    this.#live.stop()
    this.#stored.stop()
    this.#stop.abort()
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const events = this.#graft.eventlog.tail({ aggregate: this.#session, after: `${this.#log}:${this.#at}` })[Symbol.asyncIterator]()
      const leave = () => void events.return?.().catch(() => {})
      signal.addEventListener("abort", leave, { once: true })
      try {
        let bytes = 0
        for (let step = await events.next(); !step.done && !signal.aborted; step = await events.next()) {
          bytes += this.#tell(step.value)
          // What was said gets the time to go out.
          if (bytes > LARGEST_PAGE) bytes = await new Promise<0>((resolve) => setImmediate(resolve, 0))
        }
      } catch (error) {
        if ((error as { code?: unknown }).code === "Moved") continue
        if (!signal.aborted) for (const connection of [...this.#live.members, ...this.#stored.members]) this.#end(connection, error)
        return
      } finally {
        signal.removeEventListener("abort", leave)
      }
    }
  }

  #tell(event: StoredEvent): number {
    const frame = this.#frame(event)
    this.#at = event.seq
    this.#live.tell(frame, event.seq)
    this.#stored.tell(frame, event.seq)
    return frame.length
  }

  #frame(event: StoredEvent): Buffer { return frameOf(event, `${this.#log}:${event.seq}`) }

  #read(after: number): Promise<Chunk> {
    const known = this.#pages.get(after)
    if (known) return known
    const page = this.#load(after)
    this.#remember(after, page)
    return page
  }

  async #load(after: number): Promise<Chunk> {
    const { events } = await this.#graft.eventlog.read({ aggregate: this.#session, after: `${this.#log}:${after}`, limit: PAGE })
    const bytes = Buffer.concat(events.map((event) => this.#frame(event)))
    // Only what is whole stays as it is.
    if (events.length < PAGE || bytes.length > LARGEST_PAGE) this.#pages.delete(after)
    return { bytes, to: events.at(-1)?.seq ?? after }
  }

  #remember(after: number, page: Promise<Chunk>): void {
    this.#pages.set(after, page)
    page.catch(() => this.#pages.delete(after))
    if (this.#pages.size > MOST_PAGES) this.#pages.delete(this.#pages.keys().next().value!)
  }
}

export class SessionStreams {
  readonly #graft: Graft
  readonly #followed = new Map<string, Followed>()

  constructor(graft: Graft) { this.#graft = graft }

  join(connection: Connection, head: number): void {
    const subject = connection.subject as Subject
    let followed = this.#followed.get(subject.session)
    if (!followed) this.#followed.set(subject.session, (followed = new Followed(this.#graft, subject, Math.max(head, connection.at), (one, error) => this.#fail(one, error))))
    followed.channelOf(connection).join(connection)
  }

  leave(connection: Connection): void {
    const { session } = connection.subject as Subject
    const followed = this.#followed.get(session)
    followed?.channelOf(connection).leave(connection)
    if (followed?.size !== 0) return
    this.#followed.delete(session)
    followed.stop()
  }

  /** What is told about a session, and stored nowhere. */
  hear(payload: unknown, { event, at }: Meta): void {
    const { session, seq } = (payload ?? {}) as { session?: unknown; seq?: unknown }
    if (typeof session === "string" && seq === undefined) this.#followed.get(session)?.hear(event, payload, at)
  }

  stop(): void {
    for (const followed of this.#followed.values()) followed.stop()
    this.#followed.clear()
  }

  /** It ends: for good, and it says so, where the log has no more; else its client comes back and goes on. */
  #fail({ response }: Connection, error: unknown): void {
    const { code } = error as { code?: unknown }
    if (code === "eventlog.unknown") return void response.end(frameOf({ live: true, type: "deleted" }))
    if (typeof code === "string" && code.startsWith("eventlog.")) return void response.end(frameOf({ live: true, type: "failed", code, message: messageOf(error) }))
    this.#graft.log.warn("an event stream ended:", error)
    response.end()
  }
}
