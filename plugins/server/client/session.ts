/** One session as a client has it: say something, wait for the end, follow what happens. */
import type { SessionMessage } from "../contract.ts"
import { GraftError, type CallOptions, type Connection } from "./call.ts"
import { follow } from "./follow.ts"
import type { Operations } from "./generated/operations.ts"
import type { Ended, Receipt, Session, StoredEvent } from "./generated/schemas.ts"

/** A durable event, with the cursor to go on from. */
export type Event = StoredEvent & { cursor: string; live?: undefined }
/** What is only told besides: it has no cursor, and may be missed. */
export type Live = Exclude<SessionMessage, { live?: undefined } | { type: "heartbeat" | "deleted" | "failed" }>
export type Prompt = Omit<Parameters<Operations["sessions"]["prompt"]>[0], "id">

export interface EventsOptions { /** An exclusive cursor, or a bare seq; default the beginning. */ after?: string | number; signal?: AbortSignal }

export interface SessionHandle {
  readonly id: string
  get(options?: CallOptions): Promise<Session>
  /** Admitted durably when it resolves, and once, however often the connection breaks. */
  prompt(prompt: string | Prompt, options?: CallOptions): Promise<Receipt>
  /** Resolves when nothing of it works any more, with the reason: done, blocked, failed, parked, interrupted. */
  wait(options?: CallOptions): Promise<Ended>
  interrupt(reason?: string, options?: CallOptions): Promise<void>
  /** Its history, then what comes, each event once, whatever becomes of the connection. Ends when the session is deleted, or with the signal. */
  events(options?: EventsOptions): AsyncGenerator<Event, void>
  events(options: EventsOptions & { live: true }): AsyncGenerator<Event | Live, void>
}

/** Times that a prompt is said again, with its id, and the milliseconds in between. */
const AGAIN = [200, 1_000, 3_000]

export function sessionOf(connection: Connection, { sessions }: Operations, id: string): SessionHandle {
  return {
    id,
    get: (options) => sessions.get({ id }, options),
    prompt(prompt, options) {
      const said = typeof prompt === "string" ? { text: prompt } : prompt
      const input = { ...said, id, input: said.input ?? newInput() }
      return repeated(() => sessions.prompt(input, options), options?.signal)
    },
    async wait(options = {}) {
      for (;;) {
        const { ended } = await repeated(() => sessions.wait({ id, seconds: 60 }, options), options.signal)
        if (ended) return ended
      }
    },
    interrupt: (reason, options) => sessions.interrupt({ id, ...(reason !== undefined && { reason }) }, options),
    events: ((options: EventsOptions & { live?: true } = {}) => events(connection, id, options)) as SessionHandle["events"],
  }
}

async function* events(connection: Connection, session: string, { after, signal, live }: EventsOptions & { live?: true }): AsyncGenerator<Event | Live, void> {
  const stream = follow(connection, {
    path: `/sessions/${encodeURIComponent(session)}/events/stream${live ? "?live=1" : ""}`,
    ...(after !== undefined && { after: String(after) }), ...(signal && { signal }),
  })
  for await (const { id, message } of stream) {
    const said = message as SessionMessage
    if (said.live === undefined) yield { ...said, cursor: id! }
    else if (said.type === "deleted") return
    else if (said.type === "failed") throw new GraftError(said.code, said.message)
    else if (live && said.type !== "heartbeat") yield said
  }
}

/** Chance alone; `crypto.randomUUID` is not there in every page. */
const newInput = (): string => `inp_${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`

/** What may be asked twice is, where nobody answered. */
async function repeated<T>(ask: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (const pause of AGAIN) {
    try {
      return await ask()
    } catch (error) {
      if (signal?.aborted || !(error instanceof GraftError) || !(error.code === "client.unreachable" || error.status === 503)) throw error
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
  return ask()
}
