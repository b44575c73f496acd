/**
 * One open event stream, as data: it is kept across reloads, so it knows where its client is and holds no code. `at` is
 * what it was last told, exactly: whoever comes to serve it goes on from there.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Filter } from "./filter.ts"

/** Which events, and after which. `log` is the first half of a session's cursors. */
export type Subject = { kind: "session"; session: string; log: string; live: boolean } | { kind: "feed"; filter: Filter; /** A person is behind it, who can be asked. */ answers: boolean }

export interface Connection {
  readonly response: ServerResponse
  readonly subject: Subject
  at: number
  /** It was told that it has all that was stored. */
  synced: boolean
  /** What its client had taken at the last heartbeat, and for how many of them it has taken nothing. */
  taken: number
  idle: number
}

/** Bytes that may wait for one client before it is taken back to reading what is stored. */
export const BACKLOG = 1_048_576

export function openConnection(request: IncomingMessage, response: ServerResponse, subject: Subject, at: number, headers: Record<string, string>): Connection {
  request.socket.setNoDelay(true).setKeepAlive(true, 30_000)
  request.socket.setTimeout(0)
  response.writeHead(200, { ...headers, "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no" })
  response.write("retry: 1000\n\n")
  return { response, subject, at, synced: false, taken: 0, idle: 0 }
}

export const isOpen = ({ response }: Connection): boolean => !response.destroyed && !response.writableEnded

/** Resolves when its client takes more, has gone, or the signal aborts. */
export function drained({ response }: Connection, signal: AbortSignal): Promise<void> | undefined {
  if (!response.writableNeedDrain || response.destroyed || signal.aborted) return undefined
  return new Promise((resolve) => {
    const end = () => {
      response.off("drain", end).off("close", end)
      signal.removeEventListener("abort", end)
      resolve()
    }
    response.on("drain", end).on("close", end)
    signal.addEventListener("abort", end, { once: true })
  })
}

/** True when it has taken nothing for so many heartbeats, though there was something to take. */
export function isStalled(connection: Connection, beats: number): boolean {
  const { response } = connection
  const taken = (response.socket?.bytesWritten ?? 0) - (response.socket?.writableLength ?? 0)
  connection.idle = response.writableLength > 0 && taken === connection.taken ? connection.idle + 1 : 0
  connection.taken = taken
  return connection.idle >= beats
}
