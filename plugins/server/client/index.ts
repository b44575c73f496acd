/**
 * `graft/client`: a typed client of a Graft server, for Node, browsers and Bun. Every operation of the OpenAPI document is
 * `client.<noun>.<verb>(input)`; what fails is a `GraftError` with a stable `code`. Streams come back by themselves to where
 * they were.
 */
import type { FeedMessage } from "../contract.ts"
import { operations, type Connection, type Place } from "./call.ts"
import { follow } from "./follow.ts"
import type { Operations } from "./generated/operations.ts"
import { sessionOf, type SessionHandle } from "./session.ts"

export { GraftError, type CallOptions, type ClientErrorCode, type Place } from "./call.ts"
export type * from "./generated/operations.ts"
export type * from "./generated/schemas.ts"
export type { Event, EventsOptions, Live, Prompt, SessionHandle } from "./session.ts"
export type { FeedMessage, SessionMessage, Snapshot, Told } from "../contract.ts"

export interface ClientOptions {
  /** Default 127.0.0.1:4747; on this machine `graft/client/local` finds the server and its token by itself. */
  url?: string
  token?: string
  /** Asked for where the server is, once, and again when it cannot be reached; in place of `url` and `token`. */
  find?(): Promise<Place>
  /** The project that calls are about. */
  directory?: string
  fetch?: typeof fetch
}

export interface FeedOptions {
  /** Names, `noun.*` or `*`. Default: all, without deltas. */
  events?: readonly string[]
  /** Only what concerns this project, and the process. */
  location?: string
  /** The id of the last fact that was seen: shortly after, nothing is missed. */
  after?: string
  /** A person is here, who can be asked for permissions. */
  answers?: boolean
  signal?: AbortSignal
}

export interface Client extends Operations {
  session(id: string): SessionHandle
  /** How things are, then every fact; after a `gap` how things are again. `id` is what `after` takes. */
  events(options?: FeedOptions): AsyncGenerator<Exclude<FeedMessage, { type: "heartbeat" }> & { id?: string }, void>
}

export function createClient({ url = "http://127.0.0.1:4747", token, find, directory, fetch: ask = (...given) => fetch(...given) }: ClientOptions = {}): Client {
  let found: Promise<Place> | undefined
  const place = (): Promise<Place> => {
    if (!find) return Promise.resolve({ url, ...(token !== undefined && { token }) })
    found ??= find()
    found.catch(() => { found = undefined })
    return found
  }
  const connection: Connection = { place, lost: () => { found = undefined }, directory, fetch: ask }
  const calls = operations(connection)
  return {
    ...calls,
    session: (id) => sessionOf(connection, calls, id),
    async *events({ events = [], location, after, answers = false, signal } = {}) {
      const query = new URLSearchParams({ ...(events.length > 0 && { events: events.join(",") }), ...(location !== undefined && { location }), ...(answers && { answers: "1" }) })
      // What happens from now on happens there.
      const leaves = (message: unknown) => (message as FeedMessage).type === "draining" && (message as { successor?: { pid?: number } }).successor?.pid !== undefined
      for await (const { id, message } of follow(connection, { path: `/events?${query}`, leaves, ...(after !== undefined && { after }), ...(signal && { signal }) })) {
        const said = message as FeedMessage
        if (said.type !== "heartbeat") yield { ...said, ...(id !== undefined && { id }) }
      }
    },
  }
}
