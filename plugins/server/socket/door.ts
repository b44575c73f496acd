/**
 * This instance's door: opened once somebody may want to look in, handed from generation to generation with everyone
 * who is connected, so that an edit of this plugin cuts nobody off.
 */
import { locationOf, type Graft, type Meta } from "graft"
import { paths } from "../../lib/paths.ts"
import type { Greeting, Server } from "../contract.ts"
import { Conversation } from "./conversation.ts"
import { closeEndpoint, makeClient, openEndpoint, type Client, type Endpoint } from "./endpoint.ts"
import { findInstances } from "./instances.ts"

/** Clients at once. */
const MOST_CLIENTS = 64

/** `http`: where HTTP was asked to listen. */
export interface DoorState { open: boolean; http?: { host: string; port: number } }
/** What a greeting says besides who it is. */
export type Offer = Pick<Greeting, "url" | "successor">
export interface Door {
  /** In setup, when a generation before this one had opened: takes the socket over. */
  takeOver(): Promise<void>
  /** Opens shortly, when what is more urgent is done. Once is enough. */
  openSoon(): void
  open(): Promise<void>
  /** What new clients are told from now on. */
  serves(offer: Offer): void
  /** How many are connected. */
  clients(): number
  readonly service: Pick<Server, "address" | "instances">
}

export function makeDoor(graft: Graft<DoorState>): Door {
  const { run } = paths(graft.kernel.host.dataDir)
  const location = locationOf(process.cwd())
  const conversation = new Conversation(graft)
  let endpoint: Endpoint | undefined
  let opening: Promise<void> | undefined
  let soon = false
  let offer: Offer = {}

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
      conversation.greet(client, { started, location, ...offer })
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
      opening = Promise.resolve()
      await acquire()
      graft.on("*", tell)
      graft.onCommit(() => attach(endpoint!))
    },
    openSoon() {
      if (soon || opening) return
      soon = true
      graft.timeout(50, async () => { await (opening ??= open()) })
    },
    open: () => (opening ??= open()),
    serves(next) { offer = next },
    clients: () => endpoint?.clients.size ?? 0,
    service: {
      address: async () => endpoint?.address,
      instances: () => findInstances(run),
    },
  }
}
