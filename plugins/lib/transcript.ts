/**
 * The conversation as a fold over a session's events. Whoever shows it and whoever sends it to a model read it from
 * here, so both see the same. The fold changes the transcript in place: a session has tens of thousands of events.
 */
import type { Attachment, InputKind, Message, Part, SessionFacts } from "../session/contract.ts"

export interface Fact { type: string; data: unknown; seq?: number; created?: number }

export interface Transcript {
  session: string
  messages: Message[]
  byId: Map<string, Message>
  /** Admitted inputs until they become messages; and those that are done, not said. */
  inputs: Map<string, { text: string; kind: InputKind; files: readonly Attachment[] }>
  controls: Map<string, { kind: InputKind; data: unknown }>
  /** What each summary stands for: all up to and with `message`. The latest that is not hidden is the boundary. */
  summaries: Map<string, Boundary>
  boundary?: Boundary
  /** What a revert hides, until it is undone, or somebody goes on without it. */
  hidden: Message[]
}
export interface Boundary { seq: number; message: string; summary: string }

export const emptyTranscript = (session: string): Transcript => ({ session, messages: [], byId: new Map(), inputs: new Map(), controls: new Map(), summaries: new Map(), hidden: [] })

/** What a request is made of: the latest summary, and what came after what it stands for. */
export function afterBoundary({ messages, boundary, byId }: Transcript): readonly Message[] {
  if (!boundary) return messages
  const from = messages.findLastIndex(({ id }) => id === boundary.message) + 1
  return [byId.get(boundary.summary)!, ...messages.slice(from).filter((message) => !isSummary(message))]
}

const isSummary = ({ parts }: Message): boolean => parts[0]?.kind === "summary"

type Texts = Extract<Part, { kind: "text" | "reasoning" }>
type Call = Extract<Part, { kind: "tool" }>

/** Applies one event. Events that say nothing about the conversation are passed over. */
export function evolveTranscript(transcript: Transcript, fact: Fact): void {
  const apply = EVOLVE[fact.type as keyof typeof EVOLVE] as ((transcript: Transcript, data: unknown, fact: Fact) => void) | undefined
  apply?.(transcript, fact.data, fact)
}

type Evolve = { [T in keyof SessionFacts]?: (transcript: Transcript, data: SessionFacts[T], fact: Fact) => void }

const EVOLVE = {
  "session.input.admitted": (transcript, { input, text, kind = "user", files = [], data }) => {
    if (kind === "compact" || kind === "move") transcript.controls.set(input, { kind, data })
    else transcript.inputs.set(input, { text, kind, files })
  },
  "session.input.cancelled": (transcript, { input }) => void (transcript.inputs.delete(input), transcript.controls.delete(input)),
  "session.input.promoted": (transcript, { input, activity }, fact) => {
    if (transcript.controls.has(input)) return
    const { text, kind, files } = transcript.inputs.get(input) ?? { text: "", kind: "user", files: [] }
    transcript.inputs.delete(input)
    const attached = files.map(({ name, media, blob }, n): Part => ({ kind: "file", id: `${input}:${n + 1}`, name, media, blob }))
    add(transcript, fact, { id: input, role: kind === "user" ? "user" : "synthetic", state: "settled", activity, parts: [{ kind: "text", id: `${input}:0`, text }, ...attached] })
  },
  "session.reverted": (transcript, { message }) => {
    const all = [...transcript.messages, ...transcript.hidden]
    const at = all.findIndex(({ id }) => id === message)
    if (at >= 0) show(transcript, all, at)
  },
  "session.restored": (transcript) => show(transcript, [...transcript.messages, ...transcript.hidden], Infinity),
  "session.compaction.ended": (transcript, { compaction, through: seq, message, summary, method, reason }, fact) => {
    const id = `${compaction}:summary`
    transcript.boundary = { seq, message, summary: id }
    transcript.summaries.set(id, transcript.boundary)
    add(transcript, fact, { id, role: "synthetic", state: "settled", parts: [{ kind: "summary", id: `${id}:0`, text: summary, reason, method }] })
  },
  "activity.opened": (transcript) => void (transcript.hidden = []),
  "shell.started": (transcript, { shell, command }, fact) => {
    transcript.hidden = []
    add(transcript, fact, { id: shell, role: "user", state: "open", parts: [{ kind: "shell", id: `${shell}:0`, command, state: "started" }] })
  },
  "shell.settled": (transcript, { shell, output, ending, exit, blob }) => {
    const message = transcript.byId.get(shell)
    const [part] = message?.parts ?? []
    if (part?.kind !== "shell") return
    message!.state = "settled"
    Object.assign(part, { state: "settled", output, ending }, exit !== undefined && { exit }, blob !== undefined && { blob })
  },
  "activity.recovery.decided": (transcript, { activity, decision }) => {
    if (decision === "abandon") for (const message of transcript.messages) if (message.activity === activity && message.state === "open") Object.assign(message, { state: "settled", finish: "abandoned" })
  },
  // Another model may make the next try: the message is whose reply it becomes.
  "provider.attempt.prepared": (transcript, { message, model }) => {
    const found = transcript.byId.get(message)
    if (found && found.model !== model) found.model = model
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
  "tool.asked": (transcript, { message, call }) => {
    const part = callIn(transcript, message, call)
    if (part?.state === "called") part.state = "waiting"
  },
  "tool.started": (transcript, { message, call }) => {
    const part = callIn(transcript, message, call)
    if (part) part.state = "started"
  },
  "tool.settled": (transcript, { message, call, outcome, output, title, blob, files, milliseconds, metadata, replay }) => {
    const part = callIn(transcript, message, call)
    if (!part) return
    Object.assign(part, { state: "settled", outcome, output }, title && { title }, blob && { blob }, files && { files }, milliseconds !== undefined && { milliseconds }, metadata !== undefined && { metadata })
    if (replay !== undefined) part.replay = { ...part.replay, result: replay }
  },
} satisfies Evolve

function add(transcript: Transcript, fact: Fact, message: Omit<Message, "session" | "seq" | "created">): void {
  const whole: Message = { ...message, session: transcript.session, seq: fact.seq ?? 0, created: fact.created ?? 0 }
  transcript.messages.push(whole)
  transcript.byId.set(whole.id, whole)
}

/** The first so many are the conversation; a summary that is hidden stands for nothing. */
function show(transcript: Transcript, all: readonly Message[], count: number): void {
  transcript.messages = all.slice(0, count)
  transcript.hidden = all.slice(count)
  const summary = transcript.messages.findLast(isSummary)
  transcript.boundary = summary && transcript.summaries.get(summary.id)
}

function textPart(transcript: Transcript, message: string, part: string): Texts | undefined {
  const found = transcript.byId.get(message)?.parts.findLast((candidate) => candidate.id === part)
  return found?.kind === "text" || found?.kind === "reasoning" ? found : undefined
}

export function callIn(transcript: Transcript, message: string, call: string): Call | undefined {
  return transcript.byId.get(message)?.parts.find((part): part is Call => part.kind === "tool" && part.call === call)
}
