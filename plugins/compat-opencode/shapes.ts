/** Sessions, messages and parts in opencode's words. Pure. */
import type { Message, Part, Session } from "../session/contract.ts"
import type { ForeignMessage } from "./contract.ts"

export const sessionOf = ({ id, parent, directory, title, created, updated, archived }: Session) => ({
  id, projectID: directory, directory, title, version: "1", slug: id, ...(parent !== undefined && { parentID: parent }), time: { created, updated, ...(archived !== undefined && { archived }) },
})

const modelOf = (ref: string | undefined): { providerID: string; modelID: string } => {
  const at = ref?.indexOf("/") ?? -1
  return at < 0 ? { providerID: "", modelID: ref ?? "" } : { providerID: ref!.slice(0, at), modelID: ref!.slice(at + 1) }
}

export function messageOf(message: Message, { directory, agent }: { directory: string; agent?: string | undefined }): ForeignMessage {
  const { id, session, role, model, created, usage, finish, error, state, activity } = message
  const named = modelOf(model)
  const tokens = { input: usage?.input ?? 0, output: usage?.output ?? 0, reasoning: usage?.reasoning ?? 0, cache: { read: usage?.cacheRead ?? 0, write: usage?.cacheWrite ?? 0 } }
  const info = role === "assistant"
    ? { id, sessionID: session, role: "assistant", parentID: activity ?? "", ...named, mode: agent ?? "build", agent: agent ?? "build", path: { cwd: directory, root: directory }, cost: usage?.cost ?? 0, tokens, time: { created, ...(state === "settled" && { completed: created }) }, ...(finish !== undefined && { finish }), ...(error && { error: { name: error.code, data: { message: error.message } } }) }
    : { id, sessionID: session, role: "user", agent: agent ?? "build", model: named, time: { created } }
  return { info, parts: message.parts.map((part) => partOf(part, message)) }
}

export function partOf(part: Part, { id: messageID, session: sessionID, created, role }: Pick<Message, "id" | "session" | "created" | "role">): ForeignMessage["parts"][number] {
  const base = { id: part.id, sessionID, messageID }
  switch (part.kind) {
    case "text": return { ...base, type: "text", text: part.text, ...(role === "synthetic" && { synthetic: true }), time: { start: created } }
    case "reasoning": return { ...base, type: "reasoning", text: part.text, time: { start: created } }
    case "summary": return { ...base, type: "text", text: part.text, synthetic: true }
    case "file": return { ...base, type: "file", mime: part.media, filename: part.name, url: `blob:${part.blob}` }
    case "shell": return { ...base, type: "text", text: `$ ${part.command}\n${part.output ?? ""}` }
    case "tool": return { ...base, type: "tool", callID: part.call, tool: part.name, state: toolState(part, created) }
    default: return part satisfies never
  }
}

function toolState(part: Extract<Part, { kind: "tool" }>, start: number): object {
  const input = parsed(part.input)
  if (part.state !== "settled") return part.state === "started" ? { status: "running", input, time: { start } } : { status: "pending", input, raw: part.input }
  const time = { start, end: start + (part.milliseconds ?? 0) }
  return part.outcome === "ok" || part.outcome === "backgrounded"
    ? { status: "completed", input, output: part.output ?? "", title: part.title ?? "", metadata: part.metadata ?? {}, time }
    : { status: "error", input, error: part.output ?? String(part.outcome), time }
}

export function parsed(text: string): unknown {
  try {
    return text.trim() === "" ? {} : JSON.parse(text)
  } catch {
    return {}
  }
}
