import type { IncomingMessage } from "node:http"
import type { Notify, Schema } from "graft"
import type { StoredEvent } from "../eventlog/contract.ts"
import type { Provider } from "../model/contract.ts"
import type { PendingAsk } from "../permission/contract.ts"
import type { PendingQuestion } from "../question/contract.ts"
import type { Session } from "../session/contract.ts"
import type { TrustAsk } from "../trust/contract.ts"

/** `url`: it serves HTTP there; `successor`: it takes nothing new any more, and who does. */
export interface Instance { pid: number; socket: string; version: string; started: number; location: string; url?: string; successor?: Successor }
/** Who takes over; without a `url`, nobody does yet. */
export interface Successor { pid?: number; url?: string; version?: string }
/** Where HTTP is served, by whom. */
export interface Serving { url: string; host: string; port: number; pid: number; version: string; started: number }

/**
 * Errors: `server.port` (the address cannot be listened on), `server.resident` (another instance serves this home, which is
 * not older: its `url` is in the message), `server.draining`.
 */
export interface Server {
  /** Where the socket of this instance is; undefined until it listens. */
  address(): Promise<string | undefined>
  /** Instances of this home that answer, newest first. */
  instances(): Promise<Instance[]>
  /** One door on loopback for a browser that comes back from a login: gives its address, then the query that it came with. Nobody with another state comes in. */
  callback(options: CallbackOptions): AsyncIterable<Callback>
  /** The OpenAPI 3.1 document of the routes that are live, those of a project's plugins too where its directory is named. */
  document(directory?: string): Promise<unknown>
  /** The token that every HTTP request carries; from a rotation on, the one before is refused. */
  token(options?: { rotate?: boolean }): Promise<string>
  /** Serves HTTP, as the resident of this home. An older resident is asked to hand over; where this one serves already, that is given. Default: `server.http` of the config, else 127.0.0.1:4747. */
  serve(options?: { host?: string; port?: number }): Promise<Serving>
  serving(): Promise<Serving | undefined>
  /** Takes nothing new and tells every stream who takes over; resolves when the name of resident is free, and the port, where the successor wants the same. What runs goes on to its end. */
  handOver(by: Successor & { port?: number }): Promise<void>
  /** The same without a successor; resolves when what runs has ended, or after `patience` ms (default ten minutes). */
  drain(options?: { patience?: number }): Promise<void>
  /** Resolves when this instance has handed over, or was asked to drain, and what ran has ended. */
  drained(): Promise<void>
}

/** `port`: 0 for any. Ends without a query after so many milliseconds, or when the signal aborts. */
export interface CallbackOptions { port: number; path: string; state: string; milliseconds: number; signal: AbortSignal }
export interface Callback { address: string; query?: string }

/** What a client says, one JSON object a line. An id is the client's own, and free again once its answer came. */
export type Id = string | number
export interface Call { /** A service by its name, or "kernel". */ service: string; method: string; args?: readonly unknown[]; /** The project as whose part the call is made; needed for services that are per location. */ location?: string }
/** `events`: names, `noun.*` or `*` (the default); `location`: only what concerns that project, and what concerns the process. */
export interface Subscribe { events?: readonly string[]; location?: string }
export type ClientMessage = { id: Id; call: Call } | { id: Id; subscribe: Subscribe } | { id: Id; cancel: Id }

/** What the server says. The greeting comes first; `gap` counts events that a slow client has missed. */
export interface Greeting { graft: string; protocol: 1; pid: number; started: number; location: string; url?: string; successor?: Successor }
export interface Told { event: string; payload: unknown; by: string; at: number; location?: string }
export type ServerMessage =
  | Greeting
  | { id: Id; result?: unknown }
  | { id: Id; next: unknown }
  | { id: Id; end: true }
  | { id: Id | null; error: { code: string; message: string } }
  | Told
  | { gap: number }

/**
 * What `/sessions/:id/events/stream` says, one JSON object a frame. A durable event is as it is stored, and alone has an
 * `id:` line, its cursor. All else is `live`: it may be missed, and moves no cursor.
 */
export type SessionMessage =
  | (StoredEvent & { live?: undefined })
  /** Told, not stored (`?live=1`): `message.part.delta`, `tool.progress`, `session.status` … */
  | { live: true; type: "told"; event: string; data: unknown; at: number }
  /** All that was stored when it was asked for has been said; from here on it comes as it happens. */
  | { live: true; type: "synced"; seq: number }
  | LifeSign
  | { live: true; type: "deleted" }
  /** It cannot be read further; the stream ends. */
  | { live: true; type: "failed"; code: string; message: string }

/**
 * What `/events` says: a snapshot first, then facts. Facts and heartbeats have an `id:` line, so that who comes back soon goes
 * on where it was; what follows a `gap` is a snapshot again. Deltas come only to who names them, and have no id.
 */
export type FeedMessage = { type: "snapshot"; snapshot: Snapshot } | ({ type: "fact" } & Told) | { type: "gap"; /** Absent: nobody knows, another process told them. */ missed?: number } | LifeSign

export type LifeSign = { live: true; type: "heartbeat"; at: number } | { live: true; type: "draining"; successor?: Successor }

/** What a face needs to begin. Models and providers are those of the location, where one was named. */
export interface Snapshot {
  version: string
  protocol: number
  pid: number
  started: number
  location?: string
  locations: string[]
  plugins: { id: string; realm: string; status: string; gen: number; reason?: string }[]
  models?: number
  providers?: Provider[]
  /** Those that run, wait or are parked. */
  sessions: Session[]
  permissions: PendingAsk[]
  questions: PendingQuestion[]
  trust: TrustAsk[]
}

/** Why a request does not come in, or came to nothing: the status, and what the body `{ error }` says. */
export interface Refusal { status: number; code: string; message: string; field?: string; hint?: string; /** Of the answer, e.g. retry-after. */ headers?: Record<string, string> }

/** What HTTP is bounded by: bytes of a body, milliseconds until it must be whole, requests a second. */
export interface HttpLimits { body: number; bodyTimeout: number; rate: number }

/** Who may come in over HTTP. It is asked before a byte of the body is read, and does not wait. */
export interface Gate {
  /** Undefined: welcome. A preflight (OPTIONS) of an allowed origin needs no token. */
  admit(request: IncomingMessage): Refusal | undefined
  /** Headers that every answer carries, refusals and streams too: what CORS grants to the origin that asks. */
  headers(request: IncomingMessage): Record<string, string>
  /** The token of this home, made where there is none: 0600 below the data directory. */
  token(): Promise<string>
  readonly limits: HttpLimits
}

/** Everything that is one question and one answer. Made at the first request: `api/index.ts`, imported lazily. */
export interface Api {
  /** Never rejects; the body is read here, bounded. `signal` aborts when the client has gone. OPTIONS gives an empty 204. */
  handle(request: Request, signal: AbortSignal): Promise<Response>
  /** The OpenAPI 3.1 document of what is live now. */
  document(directory?: string): Promise<unknown>
}

export type RouteMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE"

/** `directory`: the project that was asked for (`?directory=`, or `x-graft-directory` percent-encoded), else where the process is. `signal`: the client has gone, or the deadline has passed. `lines`: the body of a route that `accepts` lines. */
export interface RouteCall { directory: string; signal: AbortSignal; lines(): AsyncIterable<string> }

/**
 * One question of the HTTP face. Path parameters are written `/things/:name`; of the schema's fields those named in the path
 * come from there, the others from the query (GET, DELETE) or the JSON body. What the handler throws with a `code` is
 * answered with it, by the status that `errors` gives it (a few endings are known: `.unknown` is 404, `.invalid` 400,
 * `.conflict` and `.busy` 409); anything else is a 500 that says nothing. A plugin's route of the same `id` takes the place
 * of a built-in one. Routes of a project's plugins are there for requests that name its directory.
 */
export interface Route<I = any, O = unknown> {
  method: RouteMethod
  path: string
  /** The operation as clients call it: `noun.verb`, unique. */
  id: string
  /** One line. */
  summary: string
  description?: string
  /** Of an object; valibot's, without transforms, so that the document can say what it is. */
  input?: Schema<I>
  /** Absent: the answer is an empty 204. */
  output?: Schema<O>
  /** The body is no JSON object but lines, at most 1 GiB of them. */
  accepts?: "application/x-ndjson"
  /** The handler gives lines, and they are sent as they come. Without a deadline. */
  produces?: "application/x-ndjson"
  /** Codes that it may throw, and the status of each. */
  errors?: Readonly<Record<string, number>>
  /** Milliseconds until the client is told that it takes too long. Default 60,000; `Infinity` only where the client says how long. */
  deadline?: number
  handler(input: I, call: RouteCall): Promise<O>
}

declare module "graft" {
  interface Services { server: Server }
  interface Slots { route: Route }
  interface Events { "server.listening": Notify<{ socket: string }>; "server.connected": Notify<{ clients: number }>; "server.disconnected": Notify<{ clients: number }>; "server.serving": Notify<Serving>; "server.draining": Notify<Successor> }
}
