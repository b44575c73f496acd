/** One call from outside: which service it may reach, and what it gives, a value or a stream. */
import { statSync } from "node:fs"
import { isAbsolute } from "node:path"
import type { Graft } from "graft"
import { orStopped } from "../../lib/stopped.ts"
import type { Call } from "../contract.ts"

export type CallErrorCode = "server.refused" | "server.request"

export class CallError extends Error {
  readonly code: CallErrorCode
  constructor(code: CallErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

const VERBS: ReadonlySet<string> = new Set(["inspect", "journal", "logs", "reconcile", "settled", "undo", "pin", "enable", "disable", "locations", "roots", "watched"])

/** What stays in the process, and why. */
const PRIVATE: Readonly<Record<string, string>> = {
  "auth.get": "secrets stay in the process",
  "config.expand": "secrets stay in the process",
  "server.token": "secrets stay in the process",
  "tool.advertise": "what it gives has to be disposed of",
  "store.write": "its work is code",
}

/** Calls as the instance of a realm; whatever was opened for it is closed when `signal` aborts or the result has ended. Nobody hears the end of a call that was stopped. */
export async function perform(graft: Graft, call: Call, signal: AbortSignal, use: (result: unknown) => Promise<void>): Promise<void> {
  const { service, method, args = [], location } = check(call)
  if (service === "kernel") return use(await (graft.kernel[method as "inspect"] as (...args: readonly unknown[]) => unknown)(...args))
  using project = location === undefined ? undefined : await graft.at(location)
  const handle = (project ?? graft).use(service as never) as Record<string, (...args: readonly unknown[]) => unknown>
  const result = Promise.resolve(handle[method]!(...args))
  const given = await orStopped(result, signal)
  if (!signal.aborted) return use(given)
  // A stream that comes too late is closed unread.
  result.then((late) => (isStream(late) ? late[Symbol.asyncIterator]().return?.() : undefined)).catch(() => {})
}

export const isStream = (value: unknown): value is AsyncIterable<unknown> => typeof (value as AsyncIterable<unknown> | null)?.[Symbol.asyncIterator] === "function"

function check(call: Call): Call {
  const { service, method, args, location } = call
  if (!isName(service) || !isName(method)) throw new CallError("server.request", 'a call names its "service" and its "method"')
  if (args !== undefined && !Array.isArray(args)) throw new CallError("server.request", '"args" is a list')
  if (location !== undefined && !isDirectory(location)) throw new CallError("server.request", '"location" is the absolute path of a project: a directory that is there')
  const refused = PRIVATE[`${service}.${method}`] ?? (service === "kernel" && !VERBS.has(method) ? `of the kernel these can be called: ${[...VERBS].join(", ")}` : undefined)
  if (refused) throw new CallError("server.refused", `${service}.${method} cannot be called from outside: ${refused}`)
  return call
}

const isDirectory = (path: unknown): boolean => typeof path === "string" && isAbsolute(path) && !path.includes("\0") && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** The words that every object has are not methods of a service, and registering needs a life inside the process. */
const isName = (name: unknown): name is string => typeof name === "string" && /^[a-zA-Z]\w*$/.test(name) && !(name in Object.prototype) && name !== "register" && name !== "then"
