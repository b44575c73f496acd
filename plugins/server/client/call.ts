/** One call of a server: built from the table of routes, answered with a value or a typed error. Fetch only, so that it runs anywhere. */
import type { Operations } from "./generated/operations.ts"
import { ROUTES } from "./generated/routes.ts"
import type { ErrorCode } from "./generated/schemas.ts"

export const PROTOCOL = "1"
/** Milliseconds that a call may take, unless its options say otherwise. */
const DEADLINE = 120_000

/** Where a server is. */
export interface Place { url: string; token?: string }

export interface CallOptions {
  signal?: AbortSignal
  /** The project that is asked about: an absolute path. Default: that of the client. */
  directory?: string
  /** Milliseconds; `Infinity` for none. Default two minutes. */
  deadline?: number
}

/** Besides the server's own codes: it could not be reached, is nowhere, took too long, is none; or something is missing in the call. */
export type ClientErrorCode = ErrorCode | "client.unreachable" | "client.absent" | "client.deadline" | "client.answer" | "client.request" | (string & {})

export class GraftError extends Error {
  readonly code: ClientErrorCode
  /** Of HTTP; 0 where there was no answer. */
  readonly status: number
  /** Which part of the request it is about. */
  readonly field: string | undefined
  /** What to do about it. */
  readonly hint: string | undefined
  constructor(code: ClientErrorCode, message: string, { status = 0, field, hint, cause }: { status?: number; field?: string; hint?: string; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = "GraftError"
    this.code = code
    this.status = status
    this.field = field
    this.hint = hint
  }
}

/** What every request of a client has in common. */
export interface Connection {
  place(): Promise<Place>
  /** It is not there any more, or takes nothing new: the next request asks anew where one is. */
  lost(): void
  readonly directory: string | undefined
  readonly fetch: typeof fetch
}

export async function send(connection: Connection, path: string, init: { method: string; headers?: Record<string, string>; body?: string; signal?: AbortSignal; directory?: string }): Promise<Response> {
  const { url, token } = await connection.place()
  const directory = init.directory ?? connection.directory
  const headers = { "x-graft-protocol": PROTOCOL, ...(token !== undefined && { authorization: `Bearer ${token}` }), ...(directory !== undefined && { "x-graft-directory": encodeURIComponent(directory) }), ...init.headers }
  try {
    return await connection.fetch(new URL(path, url), { method: init.method, headers, cache: "no-store", ...(init.body !== undefined && { body: init.body }), ...(init.signal && { signal: init.signal }) })
  } catch (error) {
    if (init.signal?.aborted) throw init.signal.reason
    connection.lost()
    throw new GraftError("client.unreachable", `${url} cannot be reached`, { cause: error })
  }
}

/** The error that an answer is. */
export async function failureOf(connection: Connection, response: Response): Promise<GraftError> {
  const { status } = response
  if (status === 503) connection.lost()
  try {
    const text = await textOf(response)
    const { code, message, field, hint } = (JSON.parse(text) as { error: { code: string; message: string; field?: string; hint?: string } }).error
    return new GraftError(code, message, { status, ...(field !== undefined && { field }), ...(hint !== undefined && { hint }) })
  } catch (error) {
    return error instanceof GraftError ? error : new GraftError("client.answer", `this is no answer of a Graft server (${status})`, { status })
  }
}

async function textOf(response: Response): Promise<string> {
  try {
    return await response.text()
  } catch (cause) {
    throw new GraftError("client.unreachable", `the connection to ${response.url} broke in the middle of an answer`, { cause })
  }
}

function parsed(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text)
  } catch (cause) {
    throw new GraftError("client.answer", "this is no answer of a Graft server: it is no JSON", { cause })
  }
}

type Input = Readonly<Record<string, unknown>>

/** Fields that the path names go there, the others into the query or the body. */
export function requestOf(route: string, input: Input): { method: string; path: string; body?: string; headers?: Record<string, string> } {
  const [method = "", template = ""] = route.split(" ")
  const rest = { ...input }
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest[name]
    delete rest[name]
    if (typeof value !== "string" || value === "") throw new GraftError("client.request", `${name} is missing: a text that is not empty`, { field: name })
    return encodeURIComponent(value)
  })
  if (method === "GET" || method === "DELETE") {
    const query = new URLSearchParams(Object.entries(rest).filter(([, value]) => value !== undefined).map(([name, value]): [string, string] => [name, typeof value === "string" ? value : JSON.stringify(value)]))
    return { method, path: query.size > 0 ? `${path}?${query}` : path }
  }
  return { method, path, ...(Object.keys(rest).length > 0 && { body: JSON.stringify(rest), headers: { "content-type": "application/json" } }) }
}

export function operations(connection: Connection): Operations {
  const groups: Record<string, Record<string, unknown>> = {}
  for (const [id, route] of Object.entries(ROUTES)) {
    const [group, verb] = id.split(".") as [string, string]
    const call = route.endsWith(" >") ? (input: Input = {}, options: CallOptions = {}) => lines(connection, route, input, options) : (input: Input = {}, options: CallOptions = {}) => perform(connection, route, input, options)
    ;(groups[group] ??= {})[verb] = call
  }
  return groups as unknown as Operations
}

async function perform(connection: Connection, route: string, input: Input, options: CallOptions): Promise<unknown> {
  const timed = within(options)
  try {
    return parsed(await textOf(await open(connection, route, input, options, timed)))
  } catch (error) {
    throw options.signal?.aborted ? options.signal.reason : timed.explain(error)
  } finally {
    timed.end()
  }
}

async function* lines(connection: Connection, route: string, input: Input, options: CallOptions): AsyncGenerator<string, void> {
  const response = await open(connection, route, input, options, within({ ...options, deadline: Infinity }))
  const reader = response.body!.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader()
  let rest = ""
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      const found = (rest + step.value).split("\n")
      rest = found.pop()!
      yield* found
    }
    if (rest !== "") yield rest
  } finally {
    await reader.cancel().catch(() => {})
  }
}

async function open(connection: Connection, route: string, { lines: sent, ...input }: Input, { directory }: CallOptions, timed: Timed): Promise<Response> {
  const { method, path, body, headers } = requestOf(route, input)
  const whole = route.includes(" <") ? { body: await joined(sent as Iterable<string>), headers: { "content-type": "application/x-ndjson" } } : { ...(body !== undefined && { body }), ...(headers && { headers }) }
  const response = await send(connection, path, { method, ...whole, signal: timed.signal, ...(directory !== undefined && { directory }) })
  if (!response.ok) throw await failureOf(connection, response)
  return response
}

async function joined(lines: Iterable<string> | AsyncIterable<string>): Promise<string> {
  const all: string[] = []
  for await (const line of lines) all.push(line.endsWith("\n") ? line : `${line}\n`)
  return all.join("")
}

interface Timed { readonly signal: AbortSignal; explain(error: unknown): unknown; end(): void }

function within({ signal, deadline = DEADLINE }: CallOptions): Timed {
  const late = new AbortController()
  const timer = deadline === Infinity ? undefined : setTimeout(() => late.abort(), deadline)
  return {
    signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
    explain: (error) => (late.signal.aborted && !signal?.aborted ? new GraftError("client.deadline", `there was no answer within ${deadline} ms`, { cause: error }) : error),
    end: () => clearTimeout(timer),
  }
}
