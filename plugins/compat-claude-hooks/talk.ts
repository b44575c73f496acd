/** The course of a session: its start, what a person says, its stops, its end; and what is only told. */
import { messageOf, type Field, type Graft } from "graft"
import { together } from "./answer.ts"
import { interrupt } from "./calls.ts"
import type { Answer, HookEvent } from "./contract.ts"
import type { Asking, Running } from "./running.ts"
import { note, seen, tell, type HooksState } from "./seen.ts"

/** How often in a row hooks may hold a session that would stop. */
const MOST_STOPS = 5
/** Seconds that the hooks of an end have, and sessions whose end is told: whoever closes waits for them. */
const END = 4
const MOST_ENDS = 20

const START: HookEvent[] = ["SessionStart", "SubagentStart", "UserPromptSubmit"]
const STOP: HookEvent[] = ["Stop", "SubagentStop"]

export function joinTalk(graft: Graft<HooksState>, running: Running): (() => void)[] {
  /** What hooks say at the first words of a session, and at each words of a person. */
  async function admit({ session, text, delivery }: Field<"input.admit", "ask">): Promise<{ refuse: string } | undefined> {
    const known = await seen(graft, session)
    if (!known) return undefined
    const { directory, child, agent, stops, first } = known
    if (stops > 0) note(graft, session, { directory, child, ...(agent !== undefined && { agent }), stops: 0 })
    const heard: [HookEvent, Answer][] = []
    const ask = async (event: HookEvent, asking: Pick<Asking, "subjects" | "about">) => heard.push([event, await running.ask(event, { session, directory, ...asking })])
    if (first && child) await ask("SubagentStart", { subjects: [agentType(agent)], about: { agent_id: session, agent_type: agentType(agent) } })
    if (first && !child) {
      const source = (await graft.session.messages(session, { limit: 1 })).length > 0 ? "resume" : "startup"
      await ask("SessionStart", { subjects: [source], about: { source } })
    }
    if (!child) await ask("UserPromptSubmit", { about: { prompt: text } })
    const { block, stop } = together(heard.flatMap(([event, answer]) => (event === "UserPromptSubmit" ? answer : [])))
    if (block !== undefined || stop !== undefined) return { refuse: `a hook refused this prompt: ${block ?? stop}` }
    const words = heard.flatMap(([event, { context }]) => (context.length > 0 ? `<hook event="${event}">\n${context.join("\n")}\n</hook>` : []))
    if (words.length > 0) await tell(graft, session, words.join("\n"), { resume: false, delivery })
    return undefined
  }

  /** A reply without calls is the last, unless somebody has more to say; that is asked before the reply is settled, so nobody leaves meanwhile. */
  async function respond({ session, finish, parts }: Field<"turn.response", "value">): Promise<void> {
    if (finish === "tool-calls" || parts.some(({ kind }) => kind === "tool")) return
    const known = await seen(graft, session)
    if (!known || (await graft.session.inbox(session)).some(({ resume, delivery }) => resume && delivery === "steer")) return
    const { directory, child, agent, stops } = known
    const event = child ? "SubagentStop" : "Stop"
    const { block, context, stop } = await running.ask(event, {
      session, directory, ...(child && { subjects: [agentType(agent)] }),
      about: { stop_hook_active: stops > 0, last_assistant_message: parts.flatMap((part) => (part.kind === "text" ? part.text : [])).join("\n"), ...(child && { agent_id: session, agent_type: agentType(agent) }) },
    })
    if (block === undefined || stop !== undefined) return
    if (stops >= MOST_STOPS) return graft.log.warn(`hooks of ${event} have held session ${session} ${MOST_STOPS} times in a row; now it stops. Their last reason: ${block}`)
    note(graft, session, { directory, child, ...(agent !== undefined && { agent }), stops: stops + 1 })
    await tell(graft, session, `<hook event="${event}">\n${[block, ...context].join("\n")}\n</hook>`, { resume: true, delivery: "steer" })
    // The turn goes on as soon as this has ended: it finds the words, or the next look does.
    void graft.runner.wake(session).catch((error: unknown) => graft.log.warn(`session ${session} was not woken for what a hook said: ${messageOf(error)}`))
  }

  const inform = async (event: HookEvent, session: string, subject: string, about: Record<string, unknown>): Promise<void> => {
    const directory = (await seen(graft, session))?.directory ?? graft.location!
    const { stop } = await running.ask(event, { session, directory, subjects: [subject], about })
    if (stop !== undefined) interrupt(graft, session, stop)
  }

  const removes: (() => void)[] = []
  if (running.has(...START, ...STOP, "SessionEnd")) removes.push(graft.on("input.admit", admit, { deadline: running.deadline(START, 2) }))
  if (running.has(...STOP)) removes.push(graft.on("turn.response", respond, { deadline: running.deadline(STOP) }))
  if (running.has("Notification")) removes.push(graft.on("permission.asked", ({ session, action }) => inform("Notification", session ?? "", "permission_prompt", { notification_type: "permission_prompt", title: "Permission needed", message: `Graft needs your permission to use ${action}` }), { deadline: running.deadline(["Notification"]) }))
  if (running.has("PreCompact")) removes.push(graft.on("session.compaction.started", ({ session, data: { reason } }) => inform("PreCompact", session, triggerOf(reason), { trigger: triggerOf(reason), custom_instructions: "" }), { deadline: running.deadline(["PreCompact"]) }))
  if (running.has("PostCompact", "SessionStart")) removes.push(graft.on("session.compaction.ended", async ({ session, data: { reason, summary } }) => {
    await inform("PostCompact", session, triggerOf(reason), { trigger: triggerOf(reason), compact_summary: summary })
    const directory = (await seen(graft, session))?.directory ?? graft.location!
    const { context } = await running.ask("SessionStart", { session, directory, subjects: ["compact"], about: { source: "compact" } })
    if (context.length > 0) await tell(graft, session, `<hook event="SessionStart">\n${context.join("\n")}\n</hook>`, { resume: false, delivery: "steer" })
  }, { deadline: running.deadline(["PostCompact", "SessionStart"], 2) }))
  if (running.has("SessionEnd")) removes.push(graft.on("session.deleted", async ({ session }) => {
    const known = graft.state.value.sessions[session]
    if (!known) return
    graft.state.update((draft) => { delete draft.sessions[session] })
    if (!known.child) await running.ask("SessionEnd", { session, directory: known.directory, subjects: ["other"], about: { reason: "other" }, most: END })
  }))
  return removes
}

/** The project closes, and with it the sessions that were seen here; the latest of them are told of. */
export async function tellEnds(graft: Graft<HooksState>, running: Running): Promise<void> {
  const open = Object.entries(graft.state.value.sessions).filter(([, { child }]) => !child).slice(-MOST_ENDS)
  await Promise.all(open.map(([session, { directory }]) => running.ask("SessionEnd", { session, directory, subjects: ["other"], about: { reason: "other" }, most: END })))
}

const agentType = (agent: string | undefined): string => agent ?? "general-purpose"
const triggerOf = (reason: string): string => (reason === "manual" ? "manual" : "auto")
