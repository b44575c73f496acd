/** What is said over one connection: calls, streams, subscriptions; each client bounded, and none slowing another. */
import { messageOf, type Graft } from "graft"
import { LineTooLong } from "../../lib/lines.ts"
import { orStopped } from "../../lib/stopped.ts"
import { wants } from "../http/streams/filter.ts"
import { CallError, isStream, perform } from "./calls.ts"
import type { ClientMessage, Greeting, Id, ServerMessage, Subscribe, Told } from "../contract.ts"
import type { Client } from "./endpoint.ts"

/** Calls and streams that one client may have at once, and its subscriptions. */
const MOST_RUNNING = 64
/** Bytes that may wait for a slow client before it misses events. */
const BACKLOG = 4_194_304
/** Milliseconds after which a client that takes nothing is cut. */
const STALL = 60_000

export class Conversation {
  readonly #graft: Graft

  constructor(graft: Graft) { this.#graft = graft }

  /** Hears a client; gives what stops hearing it. */
  attach(client: Client): () => void {
    const { socket } = client
    const data = (chunk: Buffer) => this.#hear(client, chunk)
    const drain = () => this.#drained(client)
    socket.on("data", data).on("drain", drain)
    if (socket.writableNeedDrain) this.#cutIfStalled(client)
    return () => void socket.off("data", data).off("drain", drain)
  }

  #hear(client: Client, chunk: Buffer): void {
    let lines: string[]
    try {
      lines = client.reader.push(chunk)
    } catch (error) {
      this.#fail(client, null, error)
      client.socket.destroySoon()
      return
    }
    for (const line of lines) if (line.trim() !== "") this.#take(client, line)
    // Who does not take its answers is not heard until it does.
    if (client.socket.writableNeedDrain) {
      client.socket.pause()
      this.#cutIfStalled(client)
    }
  }

  #take(client: Client, line: string): void {
    let message: ClientMessage
    try {
      message = JSON.parse(line) as ClientMessage
    } catch (error) {
      return this.#fail(client, null, new CallError("server.request", `not JSON: ${messageOf(error)}`))
    }
    const id: unknown = (message as { id?: unknown } | null)?.id
    if (typeof id !== "string" && typeof id !== "number") return this.#fail(client, null, new CallError("server.request", 'each message has an "id", a string or a number'))
    try {
      if ("cancel" in message) return this.#cancel(client, id, message.cancel)
      if (client.running.has(id) || client.subscriptions.has(id)) throw new CallError("server.request", "this id is still in use")
      if (client.running.size + client.subscriptions.size >= MOST_RUNNING) throw new CallError("server.request", `${MOST_RUNNING} calls and subscriptions of this client are open already`)
      if ("subscribe" in message) return this.#subscribe(client, id, message.subscribe)
      if (!("call" in message) || message.call === null || typeof message.call !== "object") throw new CallError("server.request", 'a message has a "call", a "subscribe" or a "cancel"')
      void this.#call(client, id, message.call)
    } catch (error) {
      this.#fail(client, id, error)
    }
  }

  async #call(client: Client, id: Id, call: Extract<ClientMessage, { call: unknown }>["call"]): Promise<void> {
    const stop = new AbortController()
    client.running.set(id, stop)
    try {
      await perform(this.#graft, call, stop.signal, async (result) => {
        if (isStream(result)) await this.#stream(client, id, result, stop.signal)
        else this.#say(client, { id, result })
      })
    } catch (error) {
      if (!stop.signal.aborted) this.#fail(client, id, error)
    } finally {
      client.running.delete(id)
    }
  }

  async #stream(client: Client, id: Id, stream: AsyncIterable<unknown>, stop: AbortSignal): Promise<void> {
    const iterator = stream[Symbol.asyncIterator]()
    for (;;) {
      const step = await orStopped(iterator.next(), stop)
      if (step === undefined) return void Promise.resolve(iterator.return?.()).catch(() => {})
      if (step.done) return this.#say(client, { id, end: true })
      this.#say(client, { id, next: step.value })
      if (client.socket.writableNeedDrain) await orStopped(new Promise<void>((resolve) => client.socket.once("drain", resolve)), stop)
    }
  }

  #subscribe(client: Client, id: Id, wanted: Subscribe | null): void {
    if (wanted === null || typeof wanted !== "object") throw new CallError("server.request", '"subscribe" is an object; an empty one is for all events')
    const { events, location } = wanted
    const wrong = (events !== undefined && !(Array.isArray(events) && events.every((name) => typeof name === "string"))) || (location !== undefined && typeof location !== "string")
    if (wrong) throw new CallError("server.request", '"events" is a list of names, "location" the path of a project')
    client.subscriptions.set(id, { ...(events && { events: events.slice(0, 100) }), ...(location && { location }) })
    this.#say(client, { id, result: true })
  }

  /** What is cancelled ends without a further word. */
  #cancel(client: Client, id: Id, which: Id): void {
    const running = client.running.get(which)
    running?.abort()
    const known = client.subscriptions.delete(which) || running !== undefined
    this.#say(client, { id, result: known })
  }

  /** One event to all who want it, encoded once. */
  tell(clients: Iterable<Client>, told: Told): void {
    let frame: Buffer | undefined
    for (const client of clients) {
      if (![...client.subscriptions.values()].some((wanted) => wants(wanted, told))) continue
      if (client.missed > 0 || client.socket.writableLength > BACKLOG) {
        if (client.missed++ === 0) this.#cutIfStalled(client)
        continue
      }
      client.socket.write((frame ??= Buffer.from(`${encode(told)}\n`)))
    }
  }

  #drained(client: Client): void {
    const { missed, socket } = client
    client.missed = 0
    if (missed > 0) this.#say(client, { gap: missed })
    if (socket.isPaused()) socket.resume()
  }

  #cutIfStalled({ socket }: Client): void {
    const taken = socket.bytesWritten - socket.writableLength
    const cancel = this.#graft.timeout(STALL, () => { if (socket.bytesWritten - socket.writableLength === taken) socket.destroy() })
    socket.once("drain", cancel).once("close", cancel)
  }

  greet(client: Client, about: Omit<Greeting, "graft" | "protocol" | "pid">): void {
    this.#say(client, { graft: this.#graft.kernel.version, protocol: 1, pid: process.pid, ...about })
  }

  #fail(client: Client, id: Id | null, error: unknown): void {
    const code = error instanceof LineTooLong ? "server.request" : (error as { code?: unknown } | null)?.code
    this.#say(client, { id, error: { code: typeof code === "string" ? code : "failed", message: messageOf(error) } })
  }

  #say(client: Client, message: ServerMessage): void {
    if (client.socket.writable) client.socket.write(`${encode(message)}\n`)
  }
}

/** What cannot be written as JSON is said to be so, in its place. */
function encode(message: ServerMessage): string {
  try {
    return JSON.stringify(message)
  } catch (error) {
    const reason = `this cannot be written as JSON: ${messageOf(error)}`
    if ("event" in message) return JSON.stringify({ ...message, payload: { unencodable: reason } })
    return JSON.stringify({ id: "id" in message ? message.id : null, error: { code: "server.encoding", message: reason } })
  }
}
