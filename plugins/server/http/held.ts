/**
 * The listening socket and everybody who is on a stream: what outlives a reload. It keeps the code that made it, so there
 * is next to none: whatever happens goes to whoever is in charge, which is set in one step.
 */
import { randomBytes } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import type { Successor } from "../contract.ts"
import type { Connection } from "./streams/connection.ts"
import { newRing, type Ring } from "./streams/ring.ts"

/** Connections at once; more are closed as they come. */
const MOST_CONNECTIONS = 2_000

/** What the live generation does with it. */
export interface Charge {
  request(request: IncomingMessage, response: ServerResponse): void
  join(connection: Connection, head: number): void
  leave(connection: Connection): void
  refuse(error: NodeJS.ErrnoException, socket: Socket): void
}

export interface Held {
  readonly server: Server
  readonly host: string
  readonly port: number
  readonly started: number
  readonly connections: Set<Connection>
  readonly ring: Ring
  charge: Charge | undefined
  /** It takes nothing new any more. */
  successor?: Successor
  join(connection: Connection, head: number): void
  left(connection: Connection): void
}

export async function openHttp(host: string, port: number): Promise<Held> {
  // How long a body may take is the business of who reads it.
  const server = createServer({ connectionsCheckingInterval: 5_000, headersTimeout: 10_000, requestTimeout: 0, keepAliveTimeout: 10_000 })
  server.maxConnections = MOST_CONNECTIONS
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen({ host, port, exclusive: true }, resolve))
  server.on("error", () => {})
  const { port: taken } = server.address() as AddressInfo
  const held: Held = {
    server, host, port: taken, started: Date.now(), connections: new Set(), ring: newRing(randomBytes(6).toString("hex")), charge: undefined,
    join: (connection, head) => held.charge?.join(connection, head),
    left(connection) {
      held.connections.delete(connection)
      held.charge?.leave(connection)
    },
  }
  server.on("request", (request, response) => void (held.charge ? held.charge.request(request, response) : response.destroy()))
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => void (held.charge ? held.charge.refuse(error, socket) : socket.destroy()))
  return held
}

export async function closeHttp({ server, connections }: Held): Promise<void> {
  for (const { response } of connections) response.end()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  // What an answer still needs is written within a moment, or not at all.
  const cut = setTimeout(() => server.closeAllConnections(), 500)
  await closed
  clearTimeout(cut)
}
