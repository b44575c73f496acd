/** What Graft tells, in the events that opencode's plugins listen for. */
import type { Graft } from "graft"
import type { Message, SessionFacts } from "../session/contract.ts"
import { messageOf, partOf, sessionOf } from "./shapes.ts"

export interface ForeignEvent { type: string; properties: unknown }
type Tell = (event: ForeignEvent) => void
/** Facts that say that a message, or a part of it, is another one now. */
const PARTS = ["message.part.settled", "tool.called", "tool.started", "tool.settled"] as const

export function forward(graft: Graft, tell: Tell): void {
  const { location } = graft
  const session = async (id: string, type: string) => {
    const found = await graft.session.get(id)
    if (found && found.location === location) tell({ type, properties: { info: sessionOf(found), sessionID: id } })
  }
  const message = async (id: string, wanted: string): Promise<{ message: Message; directory: string; agent: string | undefined } | undefined> => {
    const found = await graft.session.get(id)
    const known = (await graft.session.messages(id)).find((each) => each.id === wanted)
    return found && known && { message: known, directory: found.directory, agent: found.agent }
  }
  graft.on("session.created", ({ session: id }) => session(id, "session.created"))
  graft.on("session.updated", ({ session: id }) => session(id, "session.updated"))
  graft.on("session.deleted", ({ session: id }) => tell({ type: "session.deleted", properties: { info: { id }, sessionID: id } }))
  graft.on("session.status", ({ session: id, status }) => tell({ type: "session.status", properties: { sessionID: id, status: { type: status === "running" ? "busy" : "idle" } } }))
  graft.on("session.idle", ({ session: id }) => tell({ type: "session.idle", properties: { sessionID: id } }))
  graft.on("session.compaction.ended", ({ session: id }) => tell({ type: "session.compacted", properties: { sessionID: id } }))
  graft.on("activity.settled", ({ session: id, data: { outcome, error } }) => {
    if (outcome === "failed") tell({ type: "session.error", properties: { sessionID: id, error: { name: error?.code ?? "UnknownError", data: { message: error?.message ?? "" } } } })
  })
  for (const event of ["message.created", "message.settled"] as const) {
    graft.on(event, async ({ session: id, data }) => {
      const found = await message(id, data.message)
      if (found) tell({ type: "message.updated", properties: { info: messageOf(found.message, found).info } })
    })
  }
  for (const event of PARTS) {
    graft.on(event, async ({ session: id, data }: { session: string; data: SessionFacts[(typeof PARTS)[number]] }) => {
      const found = await message(id, data.message)
      const part = found?.message.parts.find((each) => ("part" in data ? each.id === data.part : each.kind === "tool" && each.call === data.call))
      if (found && part) tell({ type: "message.part.updated", properties: { part: partOf(part, found.message) } })
    })
  }
  graft.on("permission.asked", (ask) => tell({ type: "permission.updated", properties: ask }))
  graft.on("permission.replied", (reply) => tell({ type: "permission.replied", properties: reply }))
}
