/**
 * A session as text: a fold over its events that gives what to write. The durable events are the truth and come in
 * order; deltas only run ahead of them, so what a lost delta would have shown, the next durable chunk shows.
 */
import type { SessionFacts } from "../session/contract.ts"
import type { Style } from "./contract.ts"
import { count, duration, oneLine } from "./table.ts"

export interface Piece { to: "out" | "err"; text: string; style?: Style }
interface PartView { kind: "text" | "reasoning"; /** Characters shown, and characters that the log has. */ shown: number; logged: number; /** Deltas that came before the log knew the part. */ ahead: string; started: boolean }
interface CallView { name: string; input: string }

/** Plain data and no code: it outlives a reload of this plugin. */
export interface View {
  session: string
  /** Deltas are shown as they come; else only durable chunks, which never differ from the log. */
  live: boolean
  /** What the model thinks is shown too. */
  thinking: boolean
  /** Tool calls are shown as they start. */
  starts: boolean
  quiet: boolean
  /** Lines beside the text are seen among it: the text ends its row first. */
  together: boolean
  /** stdout stands at the start of a line. */
  fresh: boolean
  /** The part that was written last. */
  last: string
  parts: Map<string, PartView>
  calls: Map<string, CallView>
  /** The last thing that the model said, and which it was. */
  text: string
  model?: string
}

export const newView = (session: string, options: { live?: boolean; thinking?: boolean; starts?: boolean; quiet?: boolean; together?: boolean } = {}): View => ({ session, live: false, thinking: false, starts: false, quiet: false, together: false, ...options, fresh: true, last: "", parts: new Map(), calls: new Map(), text: "" })

/** One durable event. */
export function show(view: View, type: string, data: unknown): Piece[] {
  const render = RENDER[type as keyof typeof RENDER] as ((view: View, data: unknown) => Piece[]) | undefined
  return render?.(view, data) ?? []
}

/** One live delta of this session. */
export function showDelta(view: View, { message, part, kind, text }: { message: string; part: string; kind: "text" | "reasoning"; text: string }): Piece[] {
  if (!view.live || text === "") return []
  const state = partOf(view, message, part, kind)
  if (!state.started) {
    state.ahead += text
    return []
  }
  state.shown += text.length
  return write(view, keyOf(message, part), state, text)
}

type Render = { [T in keyof SessionFacts]?: (view: View, data: SessionFacts[T]) => Piece[] }

const RENDER = {
  // Another one than before is told: the config may name it, or the first may be back after another took over.
  "message.created": (view, { role, model }) => {
    const before = view.model
    if (role !== "assistant" || model === undefined) return []
    view.model = model
    return before === undefined || before === model ? [] : line(view, `now with ${model}`, "dim")
  },
  "message.part.started": (view, { message, part, kind }) => {
    const state = partOf(view, message, part, kind)
    const { ahead } = state
    Object.assign(state, { started: true, ahead: "", shown: ahead.length })
    if (kind === "text") view.text = ""
    return ahead ? write(view, keyOf(message, part), state, ahead) : []
  },
  "message.part.appended": (view, { message, part, text }) => {
    const state = partOf(view, message, part, "text")
    state.logged += text.length
    if (state.kind === "text") view.text += text
    const missing = state.logged - state.shown
    if (missing <= 0) return []
    state.shown = state.logged
    return write(view, keyOf(message, part), state, text.slice(-missing))
  },
  "message.part.settled": (view, { message, part, text }) => {
    const state = partOf(view, message, part, "text")
    view.parts.delete(keyOf(message, part))
    if (text !== undefined && state.kind === "text") view.text = text
    if (text !== undefined && state.shown === 0) return [...write(view, keyOf(message, part), state, text), ...endLine(view)]
    return endLine(view)
  },
  "message.settled": (view, { message }) => {
    for (const key of view.parts.keys()) if (key.startsWith(`${message} `)) view.parts.delete(key)
    return endLine(view)
  },
  "tool.called": (view, { call, name, input, executed }) => {
    view.calls.set(call, { name, input })
    return executed ? line(view, `… ${name} ${subject(input)} (at the provider)`, "dim") : []
  },
  "tool.started": (view, { call }) => {
    const known = view.calls.get(call)
    return view.starts && known ? line(view, `… ${known.name} ${subject(known.input)}`, "dim") : []
  },
  "tool.settled": (view, { call, outcome, output, title, milliseconds }) => {
    const known = view.calls.get(call)
    view.calls.delete(call)
    const what = `${known?.name ?? "tool"} ${title === undefined ? subject(known?.input ?? "") : oneLine(title, 80)}`.trimEnd()
    const time = milliseconds === undefined ? "" : ` (${duration(milliseconds)})`
    if (outcome === "ok" || outcome === "backgrounded") return line(view, `✓ ${what}${time}`, "green")
    return line(view, `✗ ${what}: ${outcome}${time}${output && outcome !== "interrupted" ? `: ${oneLine(output, 120)}` : ""}`, outcome === "interrupted" ? "yellow" : "red")
  },
  "job.opened": (view, { job, title }) => line(view, `… in the background, as ${job}: ${oneLine(title, 80)}`, "dim"),
  // The first line says how it ended, and the rest is for the model.
  "job.settled": (view, { outcome, summary }) => line(view, `${outcome === "succeeded" ? "✓" : "✗"} ${oneLine(summary.split("\n", 1)[0]!, 200)}`, outcome === "succeeded" ? "green" : outcome === "cancelled" ? "yellow" : "red"),
  "shell.settled": (view, { ending, exit, output }) => [
    ...endLine(view), ...(output ? [{ to: "out" as const, text: `${output.trimEnd()}\n` }] : []),
    ...(exit ? line(view, `exit code ${exit}`, "red") : ending === "exit" ? [] : line(view, ending, "yellow")),
  ],
  "provider.attempt.retry.scheduled": (view, { delay, n, error, model }) => {
    view.model = model ?? view.model
    return line(view, model === undefined ? `trying again in ${duration(delay)} (try ${n}): ${oneLine(error.message, 160)}` : `going on with ${model}: ${oneLine(error.message, 160)}`, "yellow")
  },
  "activity.recovery.started": (view, { recoveries }) => line(view, `the process that ran this died; going on from where it was (${recoveries} of 3)`, "yellow"),
  "provider.attempt.unknown": (view) => line(view, "nobody knows whether the last request was sent", "yellow"),
  "tool.restarted": (view, { call }) => line(view, `… ${view.calls.get(call)?.name ?? "tool"}, again`, "dim"),
  "session.compaction.started": (view, { why }) => line(view, `… folding the conversation: ${oneLine(why, 160)}`, "dim"),
  "session.compaction.ended": (view, { before, after, method, note }) => line(view, `✓ folded: about ${count(before)} → ${count(after)} tokens, ${method === "model" ? "summarised" : "without a model"}${note === undefined ? "" : ` (${oneLine(note, 200)})`}`, "green"),
  "session.compaction.failed": (view, { error }) => line(view, `not folded: ${oneLine(error.message, 200)}`, "yellow"),
  "activity.settled": (view, { note }) => (note ? line(view, oneLine(note, 200), "yellow") : []),
} satisfies Render

const keyOf = (message: string, part: string): string => `${message} ${part}`

function partOf(view: View, message: string, part: string, kind: PartView["kind"]): PartView {
  const key = keyOf(message, part)
  let state = view.parts.get(key)
  if (!state) view.parts.set(key, (state = { kind, shown: 0, logged: 0, ahead: "", started: false }))
  return state
}

function write(view: View, key: string, { kind }: PartView, text: string): Piece[] {
  if (kind === "reasoning" && !view.thinking) return []
  const pieces = view.last === key ? [] : endLine(view)
  view.last = key
  view.fresh = text.endsWith("\n")
  return [...pieces, kind === "text" ? { to: "out", text } : { to: "out", text, style: "dim" }]
}

export function endLine(view: View): Piece[] {
  if (view.fresh) return []
  view.fresh = true
  return [{ to: "out", text: "\n" }]
}

/** A line of its own beside the conversation. */
function line(view: View, text: string, style: Piece["style"]): Piece[] {
  return view.quiet ? [] : [...(view.together ? endLine(view) : []), { to: "err", text: `${text}\n`, style }]
}

/** What a call is about, in a few words: the first text among its arguments. */
export function subject(input: string): string {
  try {
    const value = Object.values(JSON.parse(input) as Record<string, unknown>).find((each) => typeof each === "string")
    return typeof value === "string" ? oneLine(value, 80) : ""
  } catch {
    return oneLine(input, 60)
  }
}
