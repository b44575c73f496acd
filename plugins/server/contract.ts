import type { Notify } from "graft"

export interface Instance { pid: number; socket: string; version: string; started: number; location: string }
export interface Server {
  /** Where this instance listens; undefined until it does. */
  address(): Promise<string | undefined>
  /** Instances of this home that answer, newest first. */
  instances(): Promise<Instance[]>
}

declare module "graft" {
  interface Services { server: Server }
  interface Events { "server.listening": Notify<{ socket: string }>; "server.connected": Notify<{ clients: number }>; "server.disconnected": Notify<{ clients: number }> }
}
