/** An event stream that does not end with its connection: it comes back to where it was, until it is told to stop. */
import { failureOf, GraftError, send, type Connection } from "./call.ts"
import { FrameReader } from "./frames.ts"

/** Milliseconds of silence after which a connection counts as dead: three heartbeats. */
const SILENCE = 50_000
/** Milliseconds before coming back, at most; doubled each time in vain, and then no less than the server wishes, up to the last. */
const SOON = 250
const LATEST = 10_000

export interface Follow {
  path: string
  /** The cursor to begin after. */
  after?: string
  signal?: AbortSignal
  directory?: string
  /** Should it go to another server now, and not only when this one ends? */
  leaves?(message: unknown): boolean
}

/** `id` only where a frame has one of its own: it is the cursor to go on from. */
export interface Said { id?: string; message: unknown }

/** What cannot come right by itself is thrown: no such session, a cursor of another log, no permission. */
export async function* follow(connection: Connection, { path, after = "", signal, directory, leaves }: Follow): AsyncGenerator<Said, void> {
  let last = after
  let wait = SOON
  let least = 0
  let been = false
  while (!signal?.aborted) {
    const stop = new AbortController()
    const abort = () => stop.abort(signal?.reason)
    signal?.addEventListener("abort", abort, { once: true })
    try {
      const response = await send(connection, path, { method: "GET", headers: { accept: "text/event-stream", ...(last !== "" && { "last-event-id": last }) }, signal: stop.signal, ...(directory !== undefined && { directory }) })
      if (response.status === 204) return
      if (!response.ok) {
        const failure = await failureOf(connection, response)
        if (!isPassing(failure)) throw failure
        wait = Math.max(wait, Number(response.headers.get("retry-after")) * 1_000 || 0)
      } else {
        been = true
        for await (const { frame, retry } of frames(response, stop, last)) {
          const message: unknown = JSON.parse(frame.data)
          wait = SOON
          least = retry ?? 0
          const own = frame.id !== last
          last = frame.id
          yield { message, ...(own && { id: frame.id }) }
          if (leaves?.(message)) break
        }
      }
    } catch (error) {
      if (signal?.aborted) return
      // Who was there may be about to be there again.
      if (!isPassing(error) && !(been && (error as GraftError).code === "client.absent")) throw error
    } finally {
      signal?.removeEventListener("abort", abort)
      stop.abort()
    }
    connection.lost()
    await pause(Math.random() * wait, signal)
    wait = Math.min(Math.max(wait * 2, least), LATEST)
  }
}

/** Broken connections, a server that is busy, ends or is not up yet. */
const isPassing = (error: unknown): boolean => !(error instanceof GraftError) || error.code === "client.unreachable" || [408, 425, 429, 502, 503, 504].includes(error.status)

async function* frames(response: Response, stop: AbortController, last: string): AsyncGenerator<{ frame: ReturnType<FrameReader["push"]>[number]; retry: number | undefined }> {
  const reader = response.body!.getReader()
  const parser = new FrameReader(last)
  try {
    for (;;) {
      const silent = setTimeout(() => stop.abort(), SILENCE)
      const { done, value } = await reader.read().finally(() => clearTimeout(silent))
      if (done) return
      for (const frame of parser.push(value)) yield { frame, retry: parser.retry }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener("abort", end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    signal?.addEventListener("abort", end, { once: true })
  })
}
