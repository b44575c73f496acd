/** Why something with a server failed, in words: without what its endpoint wrote, which may repeat what was sent to it. */
import { messageOf } from "graft"
import { unreachable } from "../../lib/unreachable.ts"

const MOST = 500

/** The HTTP status that refused. */
export const statusOf = (error: unknown): number | undefined => {
  const { status, code } = error as { status?: unknown; code?: unknown }
  if (typeof status === "number") return status
  return typeof code === "number" && code >= 400 && code < 600 ? code : undefined
}

/** `lost`: why the connection is gone, where it is; that says more than what came of it. */
export function reasonOf(error: unknown, lost?: string): string {
  if (lost !== undefined) return lost
  const status = statusOf(error)
  if (status === 401 || status === 403) return `it answered ${status}: it wants to know who asks; give it a key in "headers"`
  if (status !== undefined && status >= 300 && status < 400) return `it answered ${status} and points to another place; if that is right, write it into the config`
  if (status !== undefined) return `it answered ${status}`
  const { code } = error as { code?: unknown }
  if (code === "REQUEST_TIMEOUT") return "it did not answer in time"
  if (code === "CONNECTION_CLOSED") return "the connection was closed"
  if (typeof code === "number") return `it answered with an error: ${messageOf(error).slice(0, MOST)} (${code})`
  return unreachable(error)?.says ?? messageOf(error).slice(0, MOST)
}
