/**
 * HTTP: the gate is asked first, streams are answered raw, everything else by the API, which is loaded with the first
 * request. The socket and the streams are handed from generation to generation; a request ends on the one that began it.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { messageOf, type Graft } from "graft"
import type { Api, Gate, Refusal } from "../contract.ts"
import { refuse, refuseUnread, send, toRequest, urlOf } from "./exchange.ts"
import type { Charge, Held } from "./held.ts"
import { PROTOCOL, PROTOCOL_HEADER, VERSION_HEADER } from "./protocol.ts"
import { isStream, Streams } from "./streams/streams.ts"

/** What may still be said to an instance that drains: what somebody waits for, and to stop. */
const ENDING = /\/(permissions|questions|interrupt|cancel|wait)(\/|$)/

export class Listener {
  readonly streams: Streams
  readonly #graft: Graft
  readonly #held: Held
  readonly #gate: Gate
  #api: Promise<Api> | undefined

  constructor(graft: Graft, held: Held, gate: Gate) {
    this.#graft = graft
    this.#held = held
    this.#gate = gate
    this.streams = new Streams(graft, held)
  }

  /** In one step, at the commit. */
  takeCharge(): void {
    const { streams } = this
    const charge: Charge = {
      request: (request, response) => this.#graft.fork(() => this.#answer(request, response), { hold: true }),
      join: (connection, head) => streams.join(connection, head),
      leave: (connection) => streams.leave(connection),
      refuse: refuseUnread,
    }
    this.#held.charge = charge
    streams.adopt()
    // Where nobody comes after this generation, nobody answers.
    this.#graft.retiring.addEventListener("abort", () => { if (this.#held.charge === charge) this.#held.charge = undefined }, { once: true })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers = { ...this.#gate.headers(request), [VERSION_HEADER]: this.#graft.kernel.version, [PROTOCOL_HEADER]: String(PROTOCOL) }
    try {
      const url = urlOf(request)
      const refusal = this.#gate.admit(request) ?? this.#unfit(request, url)
      if (refusal) return refuse(response, refusal, headers)
      if (!isStream(url!.pathname) || request.method === "OPTIONS") return await this.#ask(request, response, url!, headers)
      const refused = await this.streams.open(request, response, url!, headers)
      if (refused) refuse(response, refused, headers)
    } catch (error) {
      this.#graft.log.error(`${request.method} ${request.url} failed:`, error)
      refuse(response, { status: 500, code: "server.failed", message: "this went wrong here; graft doctor and the log say more" }, headers)
    }
  }

  async #ask(request: IncomingMessage, response: ServerResponse, url: URL, headers: Record<string, string>): Promise<void> {
    const gone = new AbortController()
    response.once("close", () => { if (!response.writableFinished) gone.abort() })
    this.#api ??= import("../api/index.ts").then(({ createApi }) => createApi(this.#graft, () => this.#gate.limits))
    this.#api.catch(() => { this.#api = undefined })
    const api = await this.#api
    // A newer generation came while this one got ready: nothing has been read yet.
    const { charge } = this.#held
    if (this.#graft.retiring.aborted && charge) return charge.request(request, response)
    await send(await api.handle(toRequest(request, url, gone.signal), gone.signal), response, headers)
  }

  #unfit({ method = "GET", headers }: IncomingMessage, url: URL | undefined): Refusal | undefined {
    if (!url) return { status: 400, code: "server.request", message: "this is no address of this server" }
    // The Fetch API has no request for it.
    if (method === "TRACE") return { status: 405, code: "server.method", message: "nothing is traced here", headers: { allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" } }
    const protocol = headers[PROTOCOL_HEADER]
    if (protocol !== undefined && protocol !== String(PROTOCOL)) return { status: 426, code: "server.protocol", message: `this server speaks protocol ${PROTOCOL}, not ${String(protocol).slice(0, 20)}: ${Number(protocol) > PROTOCOL ? "it is older than its client; end it, and start the newer one" : "the client is too old for it"}`, field: PROTOCOL_HEADER, headers: { upgrade: `graft/${PROTOCOL}` } }
    const { successor } = this.#held
    if (!successor || method === "OPTIONS" || url.pathname === "/health") return undefined
    if ((method === "GET" || method === "HEAD") ? !isStream(url.pathname) : ENDING.test(url.pathname)) return undefined
    return { status: 503, code: "server.draining", message: successor.url === undefined ? "this server ends: it takes nothing new any more" : `this server ends; ${successor.url} takes over`, headers: { "retry-after": "1", ...(successor.url !== undefined && { "x-graft-successor": successor.url }) } }
  }
}

/** `server.port`: this address cannot be listened on. */
export class ListenError extends Error {
  readonly code = "server.port"
  constructor(host: string, port: number, cause: unknown) {
    super(`${host}:${port} cannot be listened on (${messageOf(cause)}); --port chooses another one, 0 any that is free`, { cause })
  }
}
