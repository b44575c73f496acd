/**
 * A connection that stands: the client of the library, how it was made, and what is known of the server. It outlives the
 * generation that made it, so it calls back through `ears`, which each generation puts on anew.
 */
import { basename } from "node:path"
import { pathToFileURL } from "node:url"
import type { Client, CreateMessageRequestParams, CreateMessageResult, ElicitRequestFormParams, ElicitResult, Transport } from "@modelcontextprotocol/client"
import type { Leash } from "../../lib/leash.ts"
import type { Prompt } from "../offer/prompts.ts"
import type { Offered } from "../offer/tools.ts"
import type { Configured } from "../wanted.ts"
import { bearing, type Keys } from "./bearer.ts"
import { watchfulFetch } from "./http.ts"
import type { ServerLog } from "../../lib/serverlog.ts"
import { reasonOf, statusOf } from "./reason.ts"
import { StdioTransport, type Started } from "./stdio.ts"

type Library = typeof import("@modelcontextprotocol/client")

/** Milliseconds for the first answer: a package may have to be fetched first; and for a session to be ended politely. */
const CONNECT = 60_000
const FAREWELL = 500
/** Characters that go along with every request. */
const MOST_INSTRUCTIONS = 4_000

export type Address = { kind: "stdio"; start: Started } | { kind: "http"; url: string; headers: Readonly<Record<string, string>>; keys?: Keys }
export interface Opening { address: Address; settings: Configured; location: string; version: string; log: ServerLog; leash: Leash; signal: AbortSignal }

/** `changed`: it offers something else. `asked`: somebody is to fill in a form. `sampled`: it wants a model's words. */
export interface Ears {
  lost(why: string): void
  changed(what: "tools" | "prompts" | "resources"): void
  asked(form: ElicitRequestFormParams, signal: AbortSignal): Promise<ElicitResult>
  sampled(wanted: CreateMessageRequestParams, signal: AbortSignal): Promise<CreateMessageResult>
}
/** `farewell`: said to a server that is there. `gone`: ends when nothing of it runs any more. */
interface Wire { transport: Transport; farewell?(): Promise<void>; gone?(): Promise<void> }

export class Link {
  readonly client: Client
  /** As they stand in the config: another one means another connection. */
  readonly settings: Configured
  ears: Ears | undefined
  /** Why it does not stand any more. */
  lost: string | undefined
  /** What it offers, as it was listed last; undefined: not yet. */
  tools: readonly Offered[] | undefined
  prompts: readonly Prompt[] = []
  /** Who asks, where that has to be said. */
  keys: Keys | undefined
  since = Date.now()
  /** Calls on their way: a form that the server asks for belongs to one of them. */
  readonly calls = new Set<{ session: string; call: string }>()
  /** Forms that a person has before them. */
  forms = 0
  readonly #wire: Wire
  #closing: Promise<void> | undefined

  constructor(client: Client, settings: Configured, wire: (link: Link) => Wire) {
    this.client = client
    this.settings = settings
    this.#wire = wire(this)
  }

  get transport(): Transport { return this.#wire.transport }

  get resources(): boolean { return this.client.getServerCapabilities()?.resources !== undefined }
  /** What it says of itself, for whoever uses it. */
  get instructions(): string { return (this.client.getInstructions() ?? "").trim().slice(0, MOST_INSTRUCTIONS).toWellFormed() }

  lose(why: string): void {
    if (this.lost !== undefined) return
    this.lost = why
    this.ears?.lost(why)
  }

  /** Ends when nothing of it runs any more. */
  close(): Promise<void> {
    return (this.#closing ??= (async () => {
      const { farewell, gone } = this.#wire
      const polite = this.lost === undefined && farewell?.().catch(() => {})
      this.lose("it was closed")
      if (polite) await Promise.race([polite, new Promise((resolve) => setTimeout(resolve, FAREWELL))])
      await this.client.close().catch(() => {})
      await gone?.()
    })())
  }
}

/** Connects; rejects with the reason, and leaves nothing behind. */
export async function openLink(opening: Opening): Promise<Link> {
  const library = await import("@modelcontextprotocol/client")
  opening.signal.throwIfAborted()
  const { address, log, leash } = opening
  if (address.kind === "stdio") return dial(library, opening, (link) => {
    const transport = new StdioTransport(address.start, log, leash, (why) => link.lose(why))
    return { transport, gone: () => transport.close() }
  })
  if (!URL.canParse(address.url) || !/^https?:/.test(address.url)) throw new Error('its "url" is no URL such as https://mcp.example/mcp')
  const url = new URL(address.url)
  const requestInit = { headers: address.headers }
  try {
    return await dial(library, opening, (link) => {
      const transport = new library.StreamableHTTPClientTransport(url, { requestInit, fetch: bearing(watchfulFetch((why) => link.lose(why)), url, () => link.keys) })
      return { transport, farewell: () => transport.terminateSession() }
    })
  } catch (error) {
    // A server of the first protocol knows only GET here, and says so (2025-11-25, transports, backwards compatibility).
    const { status } = error as { status?: number }
    if (status === undefined || ![400, 404, 405].includes(status)) throw error
    return dial(library, opening, (link) => ({ transport: new library.SSEClientTransport(url, { requestInit, fetch: bearing(watchfulFetch((why) => link.lose(why), { once: true }), url, () => link.keys) }) }))
  }
}

/** `status`: of the HTTP answer that refused. */
class Refused extends Error {
  readonly status: number | undefined
  constructor(message: string, status: number | undefined) {
    super(message)
    this.status = status
  }
}

async function dial(library: Library, { address, settings, location, version, log, signal }: Opening, wire: (link: Link) => Wire): Promise<Link> {
  const client = new library.Client({ name: "graft", version }, {
    capabilities: { roots: {}, elicitation: { form: {} }, sampling: {} },
    listChanged: Object.fromEntries((["tools", "prompts", "resources"] as const).map((what) => [what, { autoRefresh: false, debounceMs: 0, onChanged: () => link.ears?.changed(what) }])),
  })
  const link = new Link(client, settings, wire)
  if (address.kind === "http") link.keys = address.keys
  client.onerror = (error) => log.say(reasonOf(error).slice(0, 300))
  client.setRequestHandler("roots/list", () => ({ roots: [{ uri: pathToFileURL(location).href, name: basename(location) }] }))
  client.setRequestHandler("elicitation/create", async ({ params }, { mcpReq }) => {
    if (params.mode === "url" || !link.ears) return { action: "decline" }
    return link.ears.asked(params as ElicitRequestFormParams, mcpReq.signal)
  })
  client.setRequestHandler("sampling/createMessage", ({ params }, { mcpReq }) => {
    if (!link.ears) throw new library.ProtocolError(library.ProtocolErrorCode.InternalError, "nobody is here to say yes")
    return link.ears.sampled(params, mcpReq.signal)
  })
  // Whoever asks for what nobody knows is told no and why.
  client.fallbackRequestHandler = async ({ method }) => {
    log.say(`it asked for ${method}, which is not offered`)
    throw new library.ProtocolError(library.ProtocolErrorCode.MethodNotFound, `${method} is not offered by this client`)
  }
  try {
    await inTime(client.connect(link.transport, { timeout: CONNECT, signal }), signal)
    if (link.lost !== undefined) throw new Error(link.lost)
    client.onclose = () => link.lose("it closed the connection")
    return link
  } catch (error) {
    const refused = new Refused(reasonOf(error, link.lost), statusOf(error))
    await link.close()
    throw refused
  }
}

/** A transport may wait for a first word without a deadline of its own. */
function inTime(connected: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const stop = () => reject(new Error("it was stopped"))
  const timer = setTimeout(() => reject(new Error("it did not answer in time")), CONNECT)
  signal.addEventListener("abort", stop, { once: true })
  return Promise.race([connected, late]).finally(() => {
    clearTimeout(timer)
    signal.removeEventListener("abort", stop)
  })
}
