/**
 * The socket and who is connected: all that outlives a reload of this plugin. It is dumb on purpose, because it keeps
 * the code that made it; what is said over it is the business of the live generation.
 */
import { randomBytes } from "node:crypto"
import { chmodSync, lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { LineReader } from "../../lib/lines.ts"
import type { Id, Subscribe } from "../contract.ts"

/** Bytes of one line that a client may send. */
const LINE = 1_048_576

export interface Client {
  readonly socket: Socket
  readonly reader: LineReader
  readonly subscriptions: Map<Id, Subscribe>
  /** Calls and streams that go on, by the client's id. */
  readonly running: Map<Id, AbortController>
  /** Events that it was too slow for, since it last kept up. */
  missed: number
}

export interface Endpoint { readonly server: Server; readonly address: string; readonly started: number; readonly clients: Set<Client> }

/** `server.directory`: the directory of sockets is somebody else's, or cannot be made private. */
export class EndpointError extends Error {
  readonly code = "server.directory"
}

export async function openEndpoint(run: string): Promise<Endpoint> {
  privateDirectory(run)
  const address = join(run, `${process.pid}-${randomBytes(3).toString("hex")}.sock`)
  const clients = new Set<Client>()
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(pipeOf(address), resolve))
  server.unref()
  // Windows has named pipes, which are in no directory: a file of the same name stands for it.
  if (process.platform === "win32") writeFileSync(address, "")
  else chmodSync(address, 0o600)
  return { server, address, started: Date.now(), clients }
}

export async function closeEndpoint({ server, address, clients }: Endpoint): Promise<void> {
  for (const { socket } of clients) socket.destroy()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  rmSync(address, { force: true })
}

export function makeClient(socket: Socket): Client {
  // Each stream that waits for the socket to drain listens to it.
  socket.unref().setMaxListeners(256)
  return { socket, reader: new LineReader(LINE), subscriptions: new Map(), running: new Map(), missed: 0 }
}

export const pipeOf = (address: string): string => (process.platform === "win32" ? `\\\\?\\pipe\\${address}` : address)

/** Nobody else may look in, nor have put the directory there. */
function privateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  if (process.platform === "win32") return
  const status = lstatSync(directory)
  if (!status.isDirectory() || status.uid !== process.getuid!()) throw new EndpointError(`${directory} belongs to somebody else or is a link; remove it, or set XDG_RUNTIME_DIR to a directory of your own`)
  if ((status.mode & 0o077) !== 0) chmodSync(directory, 0o700)
}
