/** A session that was recorded (`graft session export`), played again: the model says and calls what it did then, and the plugins are those of now. */
import type { SessionFacts } from "../../plugins/session/contract.ts"
import type { TestKernel } from "./kernel.ts"
import type { Reply, ScriptedCall } from "./model.ts"

export interface Came { outcome: string; output: string }
export interface RecordedCall { id: string; tool: string; input: string; /** Absent: the recording ends before the call did. */ then?: Came }
export interface Recording { session: string; /** What the user said, in order. */ prompts: string[]; /** What the model answered, turn by turn. */ turns: Reply[]; calls: RecordedCall[] }
export interface Replayed { /** In the order in which the model made them. */ calls: (RecordedCall & { now: Came })[]; /** What the model said last. */ text: string }

/** The first line, an event, a blob or the last line. */
interface Line { graft?: string; session?: string; type?: keyof SessionFacts; data?: unknown; end?: string }
interface Open { message: string; reply: Reply & { calls: ScriptedCall[] }; kinds: Map<string, "text" | "reasoning"> }

/** Of an export's first session; those that it began are not played. */
export function readRecording(lines: string): Recording {
  const all = lines.split("\n").filter(Boolean).map((line, index) => {
    try { return JSON.parse(line) as Line } catch { throw new Error(`line ${index + 1} of the recording is no JSON: it is what graft session export writes`) }
  })
  const session = all[0]?.graft === "session" ? all[0].session : undefined
  if (session === undefined) throw new Error("the recording does not begin as one: it is what graft session export writes")
  const events = all.slice(0, all.findIndex(({ end }) => end === session) >>> 0)
  const [prompts, calls, messages]: [string[], RecordedCall[], Open[]] = [[], [], []]
  const of = (message: string) => messages.find((open) => open.message === message)
  const take: { [T in keyof SessionFacts]?: (data: SessionFacts[T]) => void } = {
    "session.input.admitted": ({ text, kind = "user" }) => { if (kind === "user") prompts.push(text) },
    "message.created": ({ message, role }) => { if (role === "assistant") messages.push({ message, reply: { calls: [] }, kinds: new Map() }) },
    "message.part.started": ({ message, part, kind }) => void of(message)?.kinds.set(part, kind),
    "message.part.appended": ({ message, part, text }) => {
      const open = of(message)
      const kind = open?.kinds.get(part)
      if (open && kind) open.reply[kind] = (open.reply[kind] ?? "") + text
    },
    "tool.called": ({ message, call, name, input, executed }) => {
      // What ran at the provider does not run here.
      if (executed) return
      of(message)?.reply.calls.push({ tool: name, input, id: call })
      calls.push({ id: call, tool: name, input })
    },
    "tool.settled": ({ call, outcome, output }) => {
      const made = calls.find(({ id, then }) => id === call && !then)
      if (made) made.then = { outcome, output }
    },
  }
  for (const { type, data } of events) if (type) take[type]?.(data as never)
  // An attempt that gave nothing was made again, and is no turn.
  const turns = messages.map(({ reply }) => reply).filter(({ text, reasoning, calls: made }) => text !== undefined || reasoning !== undefined || made.length > 0)
  return { session, prompts, turns, calls }
}

/** `tools`: "live", they run as they are now; "recorded", each call is answered with what it gave then, so that only hooks and requests are tried. */
export async function replay(kernel: TestKernel, recording: Recording, { tools = "live" }: { tools?: "live" | "recorded" } = {}): Promise<Replayed> {
  const { session } = kernel.graft
  const answered = new Map(recording.calls.map((call) => [call.id, call.then?.output ?? ""]))
  const stop = tools === "live" ? () => {} : kernel.kernel.on("tool.before", (draft) => {
    const answer = answered.get(draft.call)
    if (answer !== undefined) draft.verdict = { answer }
  })
  try {
    kernel.model.play(...recording.turns)
    const { id } = await session.create({ directory: kernel.project })
    for (const text of recording.prompts) {
      await session.prompt({ session: id, text })
      await session.wait(id)
    }
    const parts = (await session.messages(id, { limit: 1_000 })).flatMap((message) => message.parts)
    const made = parts.flatMap((part) => (part.kind === "tool" ? [part] : []))
    const calls = made.map(({ call, name, input, outcome = "unknown", output = "" }) => ({ ...(recording.calls.find((then) => then.id === call) ?? { id: call, tool: name, input }), now: { outcome, output } }))
    return { calls, text: parts.findLast((part) => part.kind === "text")?.text ?? "" }
  } finally {
    stop()
  }
}
