/**
 * `task`: a subagent. A session of its own below the one that asks, with the same rules of the same project, so that it
 * may do nothing that the one above may not, and its questions come to the same person.
 */
import * as v from "valibot"
import type { Graft } from "graft"
import { answerOf, reasonOf } from "../lib/answer.ts"
import { newId } from "../lib/ids.ts"
import { DEEPEST, depthOf } from "../lib/lineage.ts"
import type { Ended } from "../session/contract.ts"
import type { ToolContext, ToolDefinition, ToolResult } from "../tool/contract.ts"

/** Hours that a call may take; what takes longer runs in the background. */
const HOURS = 6
const MOST_PROMPT = 200_000

const input = v.object({
  description: v.pipe(v.string(), v.nonEmpty("a few words"), v.maxLength(200), v.description("What it is to do, in a few words, for the person who looks on")),
  prompt: v.pipe(v.string(), v.regex(/\S/, "a prompt"), v.maxLength(MOST_PROMPT), v.description("All that the subagent has to know: it sees nothing of this conversation, and answers once, with its last words")),
  agent: v.optional(v.pipe(v.string(), v.description('Which agent, e.g. "explore", which only looks; without it the usual one'))),
  model: v.optional(v.pipe(v.string(), v.description("provider/id; without it the usual one"))),
  background: v.optional(v.pipe(v.boolean(), v.description("Returns at once, and the subagent goes on as a job; you are told when it has answered")), false),
})
type Input = v.InferOutput<typeof input>

export const makeTask = (graft: Graft): ToolDefinition<typeof input> => ({
  name: "task",
  description: "Gives a piece of work to a subagent with a conversation of its own, and gives back its answer: for searches and work whose details are not needed here. Several tasks may run beside each other. What it may do is what you may do.",
  input,
  // What it does asks for itself.
  effects: ["run"],
  recovery: "unknown",
  permission: () => undefined,
  limits: { milliseconds: HOURS * 3_600_000 },
  async execute(asked, context) {
    const parent = await graft.session.get(context.session)
    if (!parent) throw new Error(`there is no session "${context.session}" to work below`)
    if ((await depthOf(parent, (id) => graft.session.get(id))) >= DEEPEST) throw new Error(`this session is ${DEEPEST} subagents deep already, and no deeper one may begin: do the work here`)
    if (asked.agent !== undefined && (await graft.agent.get(asked.agent)).mode === "primary") throw new Error(`the agent "${asked.agent}" is for a person to choose, and takes no work from another; ${await workers(graft)}`)
    return asked.background ? inBackground(asked, context) : inForeground(graft, asked, { ...context, model: asked.model ?? parent.model })
  },
})

async function workers(graft: Graft): Promise<string> {
  const names = (await graft.agent.list()).flatMap(({ name, mode }) => (mode === "primary" ? [] : name))
  return names.length > 0 ? `these do: ${names.join(", ")}` : "leave it out"
}

function inBackground({ description, prompt, agent, model }: Input, { directory }: ToolContext): ToolResult {
  const id = newId("job")
  return {
    output: `A subagent works on it in the background, as the job ${id}. You will be told when it has answered; until then the tool job shows where it stands, waits for it, or cancels it.`,
    title: description,
    metadata: { job: id },
    job: { id, spec: { kind: "subagent", prompt, directory, title: description, ...(agent && { agent }), ...(model && { model }) }, title: description, delivery: "steer" },
  }
}

async function inForeground(graft: Graft, { description, prompt, agent }: Input, { session, directory, signal, progress, model }: ToolContext & { model: string | undefined }): Promise<ToolResult> {
  const { id: child } = await graft.session.create({ directory, parent: session, title: description, ...(agent && { agent }), ...(model && { model }) })
  const unhear = graft.on("tool.called", ({ session: of, data }) => { if (of === child) progress({ title: description, output: data.name }) })
  const interrupt = () => void graft.session.interrupt(child, "the one that asked was interrupted").catch((error: unknown) => graft.log.warn(`the subagent ${child} was not interrupted:`, error))
  signal.addEventListener("abort", interrupt, { once: true })
  try {
    await graft.session.prompt({ session: child, text: prompt, id: "inp_task" })
    // It may have come while the question was on its way, and found nothing to interrupt.
    if (signal.aborted) interrupt()
    return resultOf(await graft.session.wait(child), await answerOf(graft.session, graft.eventlog, child), child, description)
  } finally {
    signal.removeEventListener("abort", interrupt)
    unhear()
  }
}

function resultOf(ended: Ended, answer: string, child: string, title: string): ToolResult {
  const why = ended.state === "done" ? "" : `the subagent did not finish: ${reasonOf(ended)}`
  return {
    output: [answer || "(it said nothing)", ...(why ? [`(${why})`] : []), `(its session is ${child})`].join("\n\n"),
    title, metadata: { session: child, turns: ended.turns, usage: { ...ended.usage } }, failed: ended.state !== "done",
  }
}
