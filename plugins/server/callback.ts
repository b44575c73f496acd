/**
 * One door for one browser: a port of loopback at which a login comes back (RFC 8252, 7.3). It knows the login by its
 * state, tells nothing to anybody else, and closes with its first guest, its deadline, or who asked for it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Callback, CallbackOptions } from "./contract.ts"

/** Requests; a browser makes two or three. */
const MOST = 100
const HEADERS = { "content-type": "text/html; charset=utf-8", "cache-control": "no-store", connection: "close", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "referrer-policy": "no-referrer" }

export async function* callback({ port, path, state, milliseconds, signal }: CallbackOptions): AsyncGenerator<Callback> {
  const { promise: came, resolve: come } = Promise.withResolvers<string | undefined>()
  let left = MOST
  const hear = (request: IncomingMessage, response: ServerResponse) => {
    const url = URL.parse(request.url ?? "", "http://127.0.0.1")
    if (--left < 0 || request.method !== "GET" || url?.pathname !== path || url.searchParams.get("state") !== state) return void response.writeHead(404, HEADERS).end(page("This is not the page you are looking for."))
    const refused = url.searchParams.has("error")
    response.writeHead(200, HEADERS).end(page(refused ? "The login was refused. You can close this page; Graft says why." : "Done. You can close this page and go back to Graft."), () => come(url.search.slice(1)))
  }
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 32_768 }, hear)
  const late = setTimeout(() => come(undefined), milliseconds)
  const stop = () => come(undefined)
  signal.addEventListener("abort", stop, { once: true })
  try {
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen({ port, host: "127.0.0.1" }, resolve))
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
    if (signal.aborted) return
    yield { address }
    const query = await came
    if (query !== undefined) yield { address, query }
  } finally {
    clearTimeout(late)
    signal.removeEventListener("abort", stop)
    server.close()
    server.closeIdleConnections()
  }
}

const page = (text: string): string => `<!doctype html><meta charset="utf-8"><title>Graft</title><body style="font:1.1em/1.5 system-ui;margin:20vh auto;max-width:30em;text-align:center">${text}</body>\n`
