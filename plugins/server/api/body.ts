/** The body of a request: bounded in bytes and in time, whoever sends it and however slowly. */
import { LineReader, LineTooLong } from "../../lib/lines.ts"
import type { HttpLimits } from "../contract.ts"
import { ApiError } from "./errors.ts"

/** What is read line by line may be long, if it keeps coming: its lines are bounded, and so is the silence between them. */
const MOST_LINES_BYTES = 1_073_741_824
const MOST_LINE_BYTES = 33_554_432

/** Who sent too much, or too slowly, is not read to the end. */
const CUT = { headers: { connection: "close" } }

/** A JSON object; an absent body is an empty one. */
export async function readJson(request: Request, limits: HttpLimits, signal: AbortSignal): Promise<Record<string, unknown>> {
  if (request.body === null) return {}
  const text = await readText(request, limits, signal)
  if (text === "") return {}
  checkMedia(request, "application/json")
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ApiError("server.json", 400, `the body is no JSON: ${(error as Error).message}`)
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new ApiError("server.json", 400, "the body is a JSON object")
  return value as Record<string, unknown>
}

export function checkMedia({ headers }: Request, wanted: string): void {
  const media = headers.get("content-type")
  if (media?.split(";")[0]!.trim().toLowerCase() === wanted) return
  throw new ApiError("server.media", 415, `the body is read as ${wanted}, not as ${media?.slice(0, 100) ?? "something that does not say what it is"}`, { field: "content-type" })
}

async function readText(request: Request, { body: most, bodyTimeout }: HttpLimits, signal: AbortSignal): Promise<string> {
  const tooLarge = () => new ApiError("server.large", 413, `the body has more than ${most} bytes (server.body in the config)`, CUT)
  if (Number(request.headers.get("content-length")) > most) throw tooLarge()
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of patient(request.body!, bodyTimeout, signal, false)) {
    bytes += chunk.length
    if (bytes > most) throw tooLarge()
    chunks.push(chunk)
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new ApiError("server.json", 400, "the body is not UTF-8")
  }
}

/** A body that is more than what fits in memory, as its lines. */
export async function* readLines(request: Request, { bodyTimeout }: HttpLimits, signal: AbortSignal): AsyncGenerator<string> {
  if (request.body === null) return
  const reader = new LineReader(MOST_LINE_BYTES)
  let bytes = 0
  try {
    for await (const chunk of patient(request.body, bodyTimeout, signal, true)) {
      bytes += chunk.length
      if (bytes > MOST_LINES_BYTES) throw new ApiError("server.large", 413, `the body has more than ${MOST_LINES_BYTES} bytes`, CUT)
      yield* reader.push(Buffer.from(chunk))
    }
    yield* reader.push(Buffer.from("\n"))
  } catch (error) {
    throw error instanceof LineTooLong ? new ApiError("server.large", 413, `a line has more than ${MOST_LINE_BYTES} bytes`, CUT) : error
  }
}

/** `each`: the time is given to every chunk, not to the whole. */
async function* patient(body: ReadableStream<Uint8Array>, milliseconds: number, signal: AbortSignal, each: boolean): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  const { promise: failed, reject: fail } = Promise.withResolvers<never>()
  failed.catch(() => {})
  const late = () => {
    const timer = setTimeout(() => fail(new ApiError("server.slow", 408, `the body did not come within ${milliseconds} ms`, CUT)), milliseconds)
    return () => clearTimeout(timer)
  }
  const gone = () => fail(new ApiError("server.gone", 503, "the client has gone"))
  signal.addEventListener("abort", gone, { once: true })
  let cancel = late()
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), failed])
      if (done) return
      if (each) cancel()
      yield value
      if (each) cancel = late()
    }
  } finally {
    cancel()
    signal.removeEventListener("abort", gone)
    // What was cut is left unread: to cancel it would close the connection before the answer is through.
    reader.releaseLock()
  }
}
