/** One request and its answer, between node:http and the Fetch API. */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { Readable } from "node:stream"
import type { ReadableStream as WebStream } from "node:stream/web"
import type { Refusal } from "../contract.ts"
import { bodyOf, headersOf } from "../refusal.ts"

/** Undefined: there is no such address. The name in it is the one that was let in. */
export function urlOf({ url = "/", headers }: IncomingMessage): URL | undefined {
  return url.startsWith("/") ? (URL.parse(`http://${headers.host ?? "localhost"}${url}`) ?? undefined) : undefined
}

export function toRequest(message: IncomingMessage, url: URL, signal: AbortSignal): Request {
  const { method = "GET", headers } = message
  const hasBody = method !== "GET" && method !== "HEAD" && (headers["content-length"] !== undefined ? headers["content-length"] !== "0" : headers["transfer-encoding"] !== undefined)
  const body = hasBody ? { body: Readable.toWeb(message) as unknown as ReadableStream, duplex: "half" as const } : {}
  const list = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value] as [string, string]]))
  return new Request(url, { method, headers: list, signal, ...body })
}

/** Ends early when the client does. */
export async function send(answer: Response, response: ServerResponse, more: Record<string, string>): Promise<void> {
  const headers = { ...more, ...Object.fromEntries(answer.headers) }
  if (answer.body === null) return void response.writeHead(answer.status, headers).end()
  // What is whole already goes in one write.
  if (answer.headers.get("content-type") === "application/json") {
    const bytes = Buffer.from(await answer.arrayBuffer())
    return void response.writeHead(answer.status, { ...headers, "content-length": bytes.length }).end(bytes)
  }
  const body = Readable.fromWeb(answer.body as WebStream)
  response.once("close", () => body.destroy())
  body.on("error", () => response.destroy())
  response.writeHead(answer.status, headers)
  await new Promise<void>((resolve) => {
    response.once("close", resolve)
    body.pipe(response)
  })
}

export function refuse(response: ServerResponse, refusal: Refusal, more: Record<string, string>): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(refusal.status, { ...more, ...headersOf(refusal) }).end(bodyOf(refusal))
}

/** What was no request at all is answered as one, too. */
export function refuseUnread({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || code === "ECONNRESET") return void socket.destroy()
  const [status, phrase, message] = code === "HPE_HEADER_OVERFLOW" ? [431, "Request Header Fields Too Large", "the headers are too large"] : code === "ERR_HTTP_REQUEST_TIMEOUT" ? [408, "Request Timeout", "the request did not come in time"] : [400, "Bad Request", "this is no HTTP request"]
  const body = bodyOf({ status: Number(status), code: "server.request", message: String(message) })
  socket.end(`HTTP/1.1 ${status} ${phrase}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`)
}
