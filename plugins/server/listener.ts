/**
 * This instance's door: opened once somebody may want to look in, handed from generation to generation with everyone
 * who is connected, so that an edit of this plugin cuts nobody off.
 */
import { locationOf, type Graft, type Meta } from "graft"
import { paths } from "../lib/paths.ts"
import type { Server } from "./contract.ts"
import { Conversation } from "./conversation.ts"
import { closeEndpoint, makeClient, openEndpoint, type Client, type Endpoint } from "./endpoint.ts"
import { findInstances } from "./instances.ts"

/** Clients at once. */
const MOST_CLIENTS = 64

export interface DoorState { open: boolean }
export interface Listener {
  /** In setup, when a generation before this one had opened: takes the socket over. */
  takeOver(): Promise<void>
  /** Opens shortly, when what is more urgent is done. Once is enough. */
  openSoon(): void
  readonly service: Server
}

export function makeListener(graft: Graft<DoorState>): Listener {
  const { run } = paths(graft.kernel.host.dataDir)
  const location = locationOf(process.cwd())
  const conversation = new Conversation(graft)
  let endpoint: Endpoint | undefined
  let opening = false

  const acquire = async () => { endpoint = await graft.keep("socket", run, () => openEndpoint(run), closeEndpoint) }

  /** From now on this generation hears and tells; the one before stops when it starts to retire, which is the same moment. */
  function attach({ server, clients, started }: Endpoint): void {
    const detach = new WeakMap<Client, () => void>()
    const hear = (client: Client) => detach.set(client, conversation.attach(client))
    const accept = (socket: Parameters<typeof makeClient>[0]) => {
      socket.on("error", () => socket.destroy())
      const client = makeClient(socket)
      if (clients.size >= MOST_CLIENTS) return void socket.end(`${JSON.stringify({ id: null, error: { code: "server.full", message: `${MOST_CLIENTS} clients are connected already` } })}\n`)
      clients.add(client)
      socket.once("close", () => leave(clients, client))
      hear(client)
      conversation.greet(client, started, location)
      graft.emit("server.connected", { clients: clients.size })
    }
    for (const client of clients) hear(client)
    server.on("connection", accept)
    graft.retiring.addEventListener("abort", () => {
      server.off("connection", accept)
      for (const client of clients) detach.get(client)?.()
    }, { once: true })
  }

  /** Its listener outlives the generation that accepted it. */
  function leave(clients: Set<Client>, client: Client): void {
    clients.delete(client)
    for (const running of client.running.values()) running.abort()
    graft.emit("server.disconnected", { clients: clients.size })
  }

  const tell = (payload: unknown, { event, by, at, location }: Meta): void => {
    if (endpoint && endpoint.clients.size > 0) conversation.tell(endpoint.clients, { event, payload, by, at, ...(location && { location }) })
  }

  async function open(): Promise<void> {
    await acquire()
    graft.state.update((draft) => { draft.open = true })
    graft.on("*", tell)
    attach(endpoint!)
    graft.emit("server.listening", { socket: endpoint!.address })
  }

  return {
    async takeOver() {
      if (!graft.state.value.open) return
      opening = true
      await acquire()
      graft.on("*", tell)
      graft.onCommit(() => attach(endpoint!))
    },
    openSoon() {
      if (opening) return
      opening = true
      graft.timeout(50, open)
    },
    service: {
      address: async () => endpoint?.address,
      instances: () => findInstances(run),
    },
  }
}
