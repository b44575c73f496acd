/**
 * The conversation as a fold over a session's events. Whoever shows it and whoever sends it to a model read it from
 * here, so both see the same. The fold changes the transcript in place: a session has tens of thousands of events.
 */
import type { Message, Part, SessionFacts } from "../session/contract.ts"

export interface Fact { type: string; data: unknown; seq?: number; created?: number }

export interface Transcript {
  session: string
  messages: Message[]
  byId: Map<string, Message>
  /** Text of admitted inputs until they become messages. */
  inputs: Map<string, string>
}

export const emptyTranscript = (session: string): Transcript => ({ session, messages: [], byId: new Map(), inputs: new Map() })

type Texts = Extract<Part, { kind: "text" | "reasoning" }>
type Call = Extract<Part, { kind: "tool" }>

/** Applies one event. Events that say nothing about the conversation are passed over. */
export function evolveTranscript(transcript: Transcript, fact: Fact): void {
  const apply = EVOLVE[fact.type as keyof typeof EVOLVE] as ((transcript: Transcript, data: unknown, fact: Fact) => void) | undefined
  apply?.(transcript, fact.data, fact)
}

type Evolve = { [T in keyof SessionFacts]?: (transcript: Transcript, data: SessionFacts[T], fact: Fact) => void }

const EVOLVE = {
  "session.input.admitted": (transcript, { input, text }) => void transcript.inputs.set(input, text),
  "session.input.cancelled": (transcript, { input }) => void transcript.inputs.delete(input),
  "session.input.promoted": (transcript, { input, activity }, fact) => {
    const text = transcript.inputs.get(input) ?? ""
    transcript.inputs.delete(input)
    add(transcript, fact, { id: input, role: "user", state: "settled", activity, parts: [{ kind: "text", id: `${input}:0`, text }] })
  },
  "message.created": (transcript, { message, role, activity, model, text }, fact) => {
    const parts: Part[] = text === undefined ? [] : [{ kind: "text", id: `${message}:0`, text }]
    add(transcript, fact, { id: message, role, state: role === "synthetic" ? "settled" : "open", activity, ...(model === undefined ? {} : { model }), parts })
  },
  "message.part.started": (transcript, { message, part, kind }) => void transcript.byId.get(message)?.parts.push({ kind, id: part, text: "" }),
  "message.part.appended": (transcript, { message, part, text }) => {
    const target = textPart(transcript, message, part)
    if (target) target.text += text
  },
  "message.part.settled": (transcript, { message, part, text, metadata }) => {
    const target = textPart(transcript, message, part)
    if (target && text !== undefined) target.text = text
    if (target && metadata !== undefined) target.metadata = metadata
  },
  "message.settled": (transcript, { message, finish, error, usage, dropped }) => {
    const target = transcript.byId.get(message)
    if (!target) return
    Object.assign(target, { state: "settled", finish }, error && { error }, usage && { usage })
    if (dropped) target.parts = target.parts.filter((part) => part.kind !== "tool" || !dropped.includes(part.call))
  },
  "tool.called": (transcript, { message, call, name, input, executed, replay }) => {
    const part: Call = { kind: "tool", id: `${message}:${call}`, call, name, input, state: "called", ...(executed && { executed }), ...(replay !== undefined && { replay: { call: replay } }) }
    transcript.byId.get(message)?.parts.push(part)
  },
  "tool.started": (transcript, { message, call }) => {
    const part = callPart(transcript, message, call)
    if (part) part.state = "started"
  },
  "tool.settled": (transcript, { message, call, outcome, output, title, blob, milliseconds, metadata, replay }) => {
    const part = callPart(transcript, message, call)
    if (!part) return
    Object.assign(part, { state: "settled", outcome, output }, title && { title }, blob && { blob }, milliseconds !== undefined && { milliseconds }, metadata !== undefined && { metadata })
    if (replay !== undefined) part.replay = { ...part.replay, result: replay }
  },
} satisfies Evolve

function add(transcript: Transcript, fact: Fact, message: Omit<Message, "session" | "seq" | "created">): void {
  const whole: Message = { ...message, session: transcript.session, seq: fact.seq ?? 0, created: fact.created ?? 0 }
  transcript.messages.push(whole)
  transcript.byId.set(whole.id, whole)
}

function textPart(transcript: Transcript, message: string, part: string): Texts | undefined {
  const found = transcript.byId.get(message)?.parts.findLast((candidate) => candidate.id === part)
  return found?.kind === "text" || found?.kind === "reasoning" ? found : undefined
}

function callPart(transcript: Transcript, message: string, call: string): Call | undefined {
  return transcript.byId.get(message)?.parts.find((part): part is Call => part.kind === "tool" && part.call === call)
}
