/** Events as lines for people: what happened, to whom, and where in the source when something broke. */
import type { Meta } from "graft"
import type { ConfigWarning } from "../config/contract.ts"
import { sayWarning } from "./notices.ts"
import { oneLine } from "./table.ts"

type Payload = Record<string, any>

const SAY: Readonly<Record<string, (payload: Payload) => string>> = {
  "plugin.loaded": ({ plugin, gen }) => `${plugin}@${gen} is live`,
  "plugin.reloaded": ({ plugin, gen, previous, milliseconds }) => `${plugin}@${gen} took over from @${previous} in ${Math.round(milliseconds)} ms`,
  "plugin.failed": ({ plugin, message, kept }) => `${plugin} failed: ${oneLine(message, 300)}${kept ? ` (${plugin}@${kept} goes on)` : ""}`,
  "plugin.waiting": ({ plugin, reason }) => `${plugin}: ${oneLine(reason, 200)}`,
  "plugin.reverted": ({ plugin, gen, reason }) => `${plugin} was taken back to the code before, now @${gen}: ${oneLine(reason, 200)}`,
  "plugin.removed": ({ plugin, reason }) => `${plugin} is gone: ${oneLine(reason, 200)}`,
  "plugin.logged": ({ plugin, gen, level, text }) => `${plugin}@${gen} ${level}: ${oneLine(text, 400)}`,
  "kernel.fault": ({ plugin, gen, kind, during, message, where }) => `${plugin}@${gen} ${kind} ${during}: ${oneLine(message, 300)}${where ? ` (${where})` : ""}`,
  "model.added": ({ model }) => `model ${model.ref} is new`,
  "model.updated": ({ model, by, patches }) => `model ${model.ref} changed${patches?.length ? `: ${patches.map((patch: { path: unknown[] }) => patch.path.join(".")).join(", ")}` : ""}${by?.length ? ` by ${by.join(", ")}` : ""}`,
  "model.removed": ({ model }) => `model ${model.ref} is gone`,
  "provider.added": ({ provider }) => `provider ${provider.id} is new${provider.ready ? "" : `, not ready: ${provider.reason ?? "unknown"}`}`,
  "provider.updated": ({ provider }) => `provider ${provider.id} ${provider.ready ? "is ready" : `is not ready: ${provider.reason ?? "unknown"}`}`,
  "provider.removed": ({ provider }) => `provider ${provider.id} is gone`,
  "tool.added": ({ tool }) => `tool ${tool.name} is new`,
  "tool.updated": ({ tool }) => `tool ${tool.name} changed`,
  "tool.removed": ({ tool }) => `tool ${tool.name} is gone`,
  "config.changed": ({ paths }) => `config changed: ${paths.join(", ")}`,
  "config.warned": (warning) => sayWarning(warning as ConfigWarning),
}

/** What a person in a conversation wants to know at once, when it was not there from the start. */
export const NOTED: ReadonlySet<string> = new Set(["plugin.loaded", "plugin.reloaded", "plugin.failed", "plugin.reverted", "plugin.removed", "kernel.fault", "model.updated", "model.removed", "tool.added", "tool.removed", "provider.updated", "config.warned"])

/** Too many, or about the listening itself: `graft events` shows them to who names them. */
export const QUIET: ReadonlySet<string> = new Set(["message.part.delta", "tool.input.delta", "tool.progress", "session.compaction.delta", "server.connected", "server.disconnected", "eventlog.appended"])

export const isBad = (event: string): boolean => event === "plugin.failed" || event === "kernel.fault" || event === "plugin.reverted"

export const say = (event: string, payload: unknown): string => {
  const words = SAY[event]
  return words ? words(payload as Payload) : fields(payload as Payload)
}

/** What nobody has words for, field by field; of a session's event, whose it is and what it says. */
function fields(payload: Payload | undefined): string {
  const { session, seq, created: _created, data, ...rest } = payload ?? {}
  const said = Object.entries(seq === undefined ? { ...payload } : { ...(data as Payload), ...rest })
  const text = said.flatMap(([name, value]) => (value === undefined ? [] : `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)).join(" ")
  return oneLine(seq === undefined ? text : `${session} #${seq} ${text}`, 300)
}

/** One event as `graft events` shows it. */
export function eventLine({ event, at, location, by }: Pick<Meta, "event" | "at" | "by"> & { location?: string }, payload: unknown): string[] {
  return [new Date(at).toISOString().slice(11, 23), event, say(event, payload), `${by}${location ? ` in ${location}` : ""}`]
}
