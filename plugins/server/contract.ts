import type { Notify } from "graft"

export interface Instance { pid: number; socket: string; version: string; started: number; location: string }
export interface Server {
  /** Where this instance listens; undefined until it does. */
  address(): Promise<string | undefined>
  /** Instances of this home that answer, newest first. */
  instances(): Promise<Instance[]>
}

/** What a client says, one JSON object a line. An id is the client's own, and free again once its answer came. */
export type Id = string | number
export interface Call { /** A service by its name, or "kernel". */ service: string; method: string; args?: readonly unknown[]; /** The project as whose part the call is made; needed for services that are per location. */ location?: string }
/** `events`: names, `noun.*` or `*` (the default); `location`: only what concerns that project, and what concerns the process. */
export interface Subscribe { events?: readonly string[]; location?: string }
export type ClientMessage = { id: Id; call: Call } | { id: Id; subscribe: Subscribe } | { id: Id; cancel: Id }

/** What the server says. The greeting comes first; `gap` counts events that a slow client has missed. */
export interface Greeting { graft: string; protocol: 1; pid: number; started: number; location: string }
export interface Told { event: string; payload: unknown; by: string; at: number; location?: string }
export type ServerMessage =
  | Greeting
  | { id: Id; result?: unknown }
  | { id: Id; next: unknown }
  | { id: Id; end: true }
  | { id: Id | null; error: { code: string; message: string } }
  | Told
  | { gap: number }

declare module "graft" {
  interface Services { server: Server }
  interface Events { "server.listening": Notify<{ socket: string }>; "server.connected": Notify<{ clients: number }>; "server.disconnected": Notify<{ clients: number }> }
}
