/** Sessions, what is said in them, and what waits in them. */
import * as v from "valibot"
import type { Json, Page as EventPage, StoredEvent as Stored } from "../../eventlog/contract.ts"
import type { PastRequest as Past } from "../../runner/contract.ts"
import type * as Session_ from "../../session/contract.ts"
import { exactly, maybe } from "./exact.ts"

const number = v.number()
const text = v.string()
/** Any JSON: what is in it is its event's business. */
const json = v.unknown() as v.GenericSchema<unknown, Json>

export const Usage = exactly<Session_.Usage>()(v.object({ input: number, output: number, reasoning: number, cacheRead: number, cacheWrite: number, cost: maybe(v.pipe(v.number(), v.description("US dollars; absent when the model's prices are unknown."))) }))

export const Session = exactly<Session_.Session>()(v.object({
  id: text, parent: maybe(text), location: text, directory: text, title: text, agent: maybe(text), model: maybe(text),
  status: v.picklist(["idle", "running", "waiting", "parked", "failed", "damaged"]),
  usage: Usage, created: number, updated: number, archived: maybe(number),
  forked: maybe(v.pipe(v.string(), v.description("The session that its history was taken from."))),
  damage: maybe(v.object({ seq: number, reason: text })),
}))

const Attachment = v.object({ name: text, media: text, blob: text, bytes: number })

export const Waiting = exactly<Session_.Waiting>()(v.object({
  id: text, text, delivery: v.picklist(["steer", "queue"]), resume: v.boolean(),
  kind: maybe(v.picklist(["user", "synthetic", "job-result", "compact", "move", "shell", "skill"])),
  files: maybe(v.array(Attachment)), data: maybe(json),
}))

export const Receipt = exactly<Session_.Receipt>()(v.object({ session: text, input: text, seq: number, cursor: text, state: v.picklist(["pending", "promoted", "cancelled"]) }))

const Outcome = v.picklist(["ok", "error", "denied", "blocked", "invalid", "unknown-tool", "interrupted", "backgrounded", "unknown", "not-started"])

export const Part = exactly<Session_.Part>()(v.variant("kind", [
  v.object({ kind: v.literal("text"), id: text, text, metadata: maybe(v.unknown()) }),
  v.object({ kind: v.literal("reasoning"), id: text, text, metadata: maybe(v.unknown()) }),
  v.object({
    kind: v.literal("tool"), id: text, call: text, name: text, input: text, state: v.picklist(["called", "waiting", "started", "settled"]), outcome: maybe(Outcome),
    output: maybe(text), title: maybe(text), blob: maybe(text), milliseconds: maybe(number), metadata: maybe(v.unknown()), executed: maybe(v.literal("provider")),
    replay: maybe(v.object({ call: maybe(v.unknown()), result: maybe(v.unknown()) })),
  }),
  v.object({ kind: v.literal("file"), id: text, name: text, media: text, blob: text }),
  v.object({ kind: v.literal("shell"), id: text, command: text, state: v.picklist(["started", "settled"]), output: maybe(text), ending: maybe(text), exit: maybe(number), blob: maybe(text) }),
  v.object({ kind: v.literal("summary"), id: text, text, reason: v.picklist(["threshold", "overflow", "manual"]), method: v.picklist(["model", "fold"]) }),
]))

export const Message = exactly<Session_.Message>()(v.object({
  id: text, session: text, seq: number, role: v.picklist(["user", "assistant", "synthetic"]), state: v.picklist(["open", "settled"]),
  activity: maybe(text), model: maybe(text), finish: maybe(text), error: maybe(v.object({ code: text, message: text })), usage: maybe(Usage), parts: v.array(Part), created: number,
}))

export const Ended = exactly<Session_.Ended>()(v.object({ session: text, state: v.picklist(["done", "failed", "blocked", "interrupted", "parked"]), reason: maybe(text), code: maybe(text), rule: maybe(text), usage: Usage, turns: number }))

export const SessionReport = exactly<Session_.SessionReport>()(v.object({
  session: Session, inbox: v.array(Waiting),
  activities: v.array(v.object({
    id: text, state: v.picklist(["open", "parked", "settled", "interrupted"]), by: v.picklist(["input", "run"]), turns: number, recoveries: number,
    outcome: maybe(v.picklist(["completed", "failed"])), reason: maybe(text), rule: maybe(text), error: maybe(v.object({ code: text, message: text })),
  })),
  attempts: v.record(v.string(), v.number()),
  calls: v.array(v.object({ name: text, outcome: text, count: number })),
  children: v.array(text),
  reverted: v.array(v.object({ message: text, files: v.boolean() })),
}))

export const StoredEvent = exactly<Stored>()(v.object({ aggregate: text, seq: number, position: number, id: text, type: text, version: number, epoch: number, actor: text, created: number, causation: maybe(text), correlation: maybe(text), data: json }))

export const Events = exactly<EventPage>()(v.object({ events: v.array(StoredEvent), next: v.pipe(v.string(), v.description("The exclusive cursor of the next page.")), head: v.pipe(v.number(), v.description("The session's last event.")) }))

export const PastRequest = exactly<Omit<Past, "request"> & { request: unknown }>()(v.object({ attempt: text, request: v.pipe(v.unknown(), v.description("What the provider was sent.")), hash: text, same: v.boolean() }))
