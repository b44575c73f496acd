/** Whatever goes wrong has a code, a status, and a sentence; what has none was not meant to happen, and only the log says more. */
import { KernelError, messageOf } from "graft"
import type { Refusal } from "../contract.ts"

/** Errors of the face itself; those of the services keep their own codes. */
export type ApiErrorCode = "server.input" | "server.json" | "server.media" | "server.large" | "server.slow" | "server.route" | "server.method" | "server.directory" | "server.outside" | "server.kind" | "server.gone" | "server.timeout"

export class ApiError extends Error {
  readonly code: ApiErrorCode
  readonly status: number
  readonly field: string | undefined
  readonly headers: Record<string, string> | undefined
  constructor(code: ApiErrorCode, status: number, message: string, more: { field?: string; headers?: Record<string, string> } = {}) {
    super(message)
    this.code = code
    this.status = status
    this.field = more.field
    this.headers = more.headers
  }
}

/** Codes of services whose ending does not say their status. */
const STATUS: Readonly<Record<string, number>> = {
  "session.full": 429, "job.limit": 429, "job.depth": 409,
  "session.refused": 403, "command.denied": 403, "confine.refused": 403,
  "session.damaged": 422, "session.attachment": 422, "session.import": 422, "command.failed": 422,
  "session.nothing": 409, "eventlog.owned": 409, "eventlog.replica": 409, "eventlog.divergent": 409, "confine.moved": 409, "eventlog.corrupt": 422,
  "model.unusable": 409, "model.none": 409, "model.refresh": 502, "runner.context": 410, "runner.attempt": 404,
  "session.directory": 400, "eventlog.cursor": 400, "config.path": 400, "config.value": 400, "config.location": 400, "config.variable": 409, "config.broken": 409,
  "auth.login": 409, "auth.revoked": 409, "auth.file": 409, "auth.keychain": 503, "auth.command": 502, "auth.gateway": 502, "auth.unreachable": 502,
  "confine.path": 400, "confine.loop": 400, "confine.missing": 404, "job.session": 404, "permission.reply": 400, "question.answer": 400,
  "store.full": 507, "store.readonly": 503, "store.busy": 503, "config.busy": 503, "trust.busy": 503, "rewrite.busy": 503,
  "server.host": 403, "server.origin": 403, "server.rate": 429, "server.token": 401,
  "server.input": 400, "server.json": 400, "server.media": 415, "server.large": 413, "server.slow": 408, "server.route": 404, "server.method": 405, "server.directory": 400, "server.outside": 403, "server.kind": 400, "server.gone": 503, "server.timeout": 504, "server.unavailable": 503,
  Refused: 409, Invalid: 400,
}
/** What the kernel says of a plugin that is not there now, or too slow, is about this server. */
const KERNEL: Readonly<Record<string, string>> = { Unavailable: "server.unavailable", Moved: "server.unavailable", Retired: "server.unavailable", Superseded: "server.unavailable", Timeout: "server.timeout" }
const BY_ENDING: Readonly<Record<string, number>> = { unknown: 404, invalid: 400, empty: 400, conflict: 409, busy: 409, exists: 409, unreadable: 409, unwritable: 409 }

/** Undefined: nobody meant to say this to a client. */
export const statusOf = (code: string): number | undefined => STATUS[code] ?? BY_ENDING[code.slice(code.lastIndexOf(".") + 1)]

/** The codes that a route of our own may answer with, as its contract lists them. */
export const codes = (...list: readonly string[]): Record<string, number> => Object.fromEntries(list.map((code) => [code, statusOf(code) ?? 500]))

/** What a service would say, where it gives nothing instead. */
export function missing(code: string, message: string): never {
  throw Object.assign(new Error(message), { code })
}

/** `unmeant` hears what no client is told. */
export function refusalOf(error: unknown, declared: Readonly<Record<string, number>>, unmeant: (error: unknown) => void): Refusal {
  if (error instanceof ApiError) return { status: error.status, code: error.code, message: error.message, ...(error.field !== undefined && { field: error.field }), ...(error.headers && { headers: error.headers }) }
  const given = (error as { code?: unknown } | null)?.code
  const code = error instanceof KernelError ? (KERNEL[error.code] ?? given) : given
  const status = typeof code === "string" ? (declared[code] ?? statusOf(code)) : undefined
  if (typeof code !== "string" || status === undefined) {
    unmeant(error)
    return { status: 500, code: "server.internal", message: "this failed in a way that was not foreseen; the log says how (graft plugin logs)" }
  }
  return { status, code, message: messageOf(error), ...(code === "server.unavailable" && { headers: { "retry-after": "1" } }) }
}
