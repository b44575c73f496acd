/**
 * `fetch` as a connection to a server uses it: through the proxies of the environment, each message bounded, and whatever
 * says that the server or its session is gone is told at once, because a request that waits on a dead stream hears nothing.
 */
import type { FetchLike } from "@modelcontextprotocol/client"
import { messageOf } from "graft"
import { followEnvironment } from "../../lib/network.ts"
import { unreachable } from "../../lib/unreachable.ts"
import { MOST_MESSAGE } from "./stdio.ts"

/** Answers that can have no body. */
const BODILESS = new Set([204, 205, 304])

/** `once`: its one stream is the connection; when that ends, so does the session. */
export const watchfulFetch = (lost: (why: string) => void, { once = false } = {}): FetchLike => async (input, init) => {
  followEnvironment(String(input))
  const stopped = () => init?.signal?.aborted === true
  let response: Response
  try {
    response = await fetch(input, init)
  } catch (error) {
    if (!stopped()) lost(unreachable(error)?.says ?? messageOf(error))
    throw error
  }
  const asked = init?.method?.toUpperCase() === "POST"
  if (asked && response.status === 404 && new Headers(init?.headers).has("mcp-session-id")) lost("its session has ended")
  if (!response.body || BODILESS.has(response.status)) return response
  const streams = /event-stream/.test(response.headers.get("content-type") ?? "")
  return new Response(bounded(response.body, streams, {
    flooded: () => lost(`it sent more than ${MOST_MESSAGE / 1024 / 1024} MiB in one message`),
    // A stream of news is opened again by the client; an answer that breaks off is none.
    broke: (error) => { if (!stopped() && (asked || once)) lost(unreachable(error)?.says ?? "the connection broke") },
    ended: () => { if (!stopped() && once && streams && !asked) lost("it ended the connection") },
  }), { status: response.status, statusText: response.statusText, headers: response.headers })
}

interface Fate { flooded(): void; broke(error: unknown): void; ended(): void }

/** Of a stream each event, of anything else the whole. */
function bounded(body: ReadableStream<Uint8Array>, streams: boolean, { flooded, broke, ended }: Fate): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  let length = 0
  let before = ""
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        broke(error)
        throw error
      })
      if (done) {
        ended()
        return controller.close()
      }
      length += value.length
      if (streams) {
        const text = before + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1")
        const end = Math.max(text.lastIndexOf("\n\n"), text.lastIndexOf("\r\n\r\n"), text.lastIndexOf("\r\r"))
        if (end >= 0) length = text.length - end
        before = text.slice(-3)
      }
      if (length > MOST_MESSAGE) {
        flooded()
        await reader.cancel().catch(() => {})
        throw new Error("one message is too long")
      }
      controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 })
}
