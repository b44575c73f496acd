/** Calls of tools: PreToolUse and PermissionRequest before, PostToolUse and PostToolUseFailure after. */
import { messageOf, type Field, type Graft } from "graft"
import type { PermissionAsk, Verdict } from "../permission/contract.ts"
import { together } from "./answer.ts"
import type { Answer, HookEvent } from "./contract.ts"
import { inputOf, responseOf, viewsOf, type View } from "./names.ts"
import type { Running } from "./running.ts"
import { seen, type HooksState } from "./seen.ts"

type Before = Field<"tool.before", "value">
type After = Field<"tool.after", "value">

/** Files of one patch that are asked about at a time. */
const BESIDE = 8
/** What a patch of a hundred files takes at most, in times of one. */
const ROUNDS = 13
/** Calls that are under way. */
const MOST = 1_000

/** A call between its two moments. `allow`: a hook said so, and nobody is asked. */
interface Under { views: readonly View[]; directory: string; /** For the model, with what comes of it. */ words?: readonly string[]; allow?: Verdict }

export function joinCalls(graft: Graft<HooksState>, running: Running): (() => void)[] {
  const under = new Map<string, Under>()
  const asked = new Set<string>()

  /** All that a call does is asked about; the strictest counts. */
  async function askOf(event: HookEvent, session: string, { views, directory }: Under, about: (view: View) => Record<string, unknown>): Promise<Answer> {
    const answers: Answer[] = []
    for (let n = 0; n < views.length; n += BESIDE) {
      answers.push(...await Promise.all(views.slice(n, n + BESIDE).map((view) => running.ask(event, { session, directory, subjects: view.names, about: { tool_name: view.names[0], tool_input: view.input, ...about(view) } }))))
    }
    return together(answers)
  }

  /** A draft is no plain value, and this is JSON as the model wrote it. */
  async function read(draft: Before | After): Promise<Under> {
    const input: unknown = JSON.parse(JSON.stringify(draft.input ?? null))
    const directory = (await seen(graft, draft.session))?.directory ?? graft.location!
    return { views: viewsOf(draft.name, input, directory, await serverOf(graft, draft.name)), directory }
  }

  async function before(draft: Before): Promise<void> {
    const call = await read(draft)
    under.set(keyOf(draft), call)
    for (const [oldest] of under) if (under.size > MOST) under.delete(oldest)
    const { permission, updatedInput, context, stop } = await askOf("PreToolUse", draft.session, call, () => ({ tool_use_id: draft.call }))
    if (stop !== undefined) interrupt(graft, draft.session, stop)
    if (stop !== undefined || permission?.behaviour === "deny") return void (draft.verdict = { deny: [permission?.behaviour === "deny" ? permission.reason : stop, ...context].join("\n") })
    if (permission?.behaviour === "ask" && !draft.verdict) draft.verdict = { ask: permission.reason }
    if (permission?.behaviour === "allow") call.allow = { effect: "allow", rule: "PreToolUse", source: permission.source, reason: permission.reason }
    if (context.length > 0) call.words = context
    const [view, ...others] = call.views
    if (!updatedInput || JSON.stringify(updatedInput) === JSON.stringify(view!.input)) return
    if (others.length > 0 || draft.name === "patch") return graft.log.warn(`a hook of PreToolUse changed one file of a patch; a patch is done as a whole, so it stays as it was`)
    draft.input = view!.names[0]!.startsWith("mcp__") ? updatedInput : inputOf(draft.name, updatedInput)
    call.views = [{ ...view!, input: updatedInput }]
  }

  async function after(draft: After): Promise<void> {
    const known = under.get(keyOf(draft))
    under.delete(keyOf(draft))
    const event = eventOf(draft.outcome)
    if (!event) return say(draft, "PreToolUse", known?.words)
    // Begun by a generation before this one, or before the settings were changed.
    const call = known ?? (await read(draft))
    const { name, output, outcome } = draft
    const { block, context, updatedOutput, stop } = await askOf(event, draft.session, call, (view) => ({
      tool_use_id: draft.call, ...(event === "PostToolUse" ? { tool_response: responseOf(name, view, output, outcome) } : { error: output, is_interrupt: false }),
    }))
    if (stop !== undefined) interrupt(graft, draft.session, stop)
    if (updatedOutput !== undefined && call.views[0]!.names[0]!.startsWith("mcp__")) draft.output = updatedOutput
    say(draft, "PreToolUse", call.words)
    say(draft, event, [...(block === undefined ? [] : [block]), ...context])
  }

  /** Only where a person would be asked; asked again by this very question, it does not answer. */
  async function evaluate(ask: PermissionAsk): Promise<Verdict | undefined> {
    const call = ask.call === undefined || ask.session === undefined ? undefined : under.get(keyOf({ call: ask.call, session: ask.session }))
    if (!call) return undefined
    if (call.allow) return call.allow
    const key = JSON.stringify([ask.session, ask.call, ask.action, ask.resource])
    if (!running.has("PermissionRequest") || asked.has(key)) return undefined
    asked.add(key)
    try {
      const { verdict } = await graft.permission.explain(ask)
      if (verdict.effect !== "ask") return undefined
      const { permission, stop } = await askOf("PermissionRequest", ask.session!, call, () => ({ tool_use_id: ask.call, permission_suggestions: [] }))
      if (stop !== undefined) interrupt(graft, ask.session!, stop)
      return permission && permission.behaviour !== "ask" ? { effect: permission.behaviour, rule: "PermissionRequest", source: permission.source, reason: permission.reason } : undefined
    } finally {
      asked.delete(key)
    }
  }

  const BEFORE: HookEvent[] = ["PreToolUse", "PermissionRequest", "PostToolUse", "PostToolUseFailure"]
  if (!running.has(...BEFORE)) return []
  const removes = [
    graft.on("tool.before", before, { deadline: running.deadline(BEFORE, ROUNDS) }),
    // Before what gives files their form and looks for mistakes in them: a hook may change them too.
    graft.on("tool.after", after, { order: 5, deadline: running.deadline(BEFORE, ROUNDS) }),
  ]
  if (running.has("PreToolUse", "PermissionRequest")) removes.push(graft.on("permission.evaluate", evaluate, { deadline: running.deadline(BEFORE, ROUNDS) }))
  return removes
}

function say(draft: After, event: HookEvent, words: readonly string[] = []): void {
  if (words.length > 0) draft.output = `${draft.output}\n\n<hook event="${event}">\n${words.join("\n")}\n</hook>`
}

const keyOf = ({ session, call }: { session: string; call: string }): string => `${session}/${call}`

const eventOf = (outcome: After["outcome"]): "PostToolUse" | "PostToolUseFailure" | undefined => (outcome === "ok" || outcome === "backgrounded" ? "PostToolUse" : outcome === "error" ? "PostToolUseFailure" : undefined)

/** A tool of a server is named after it. */
async function serverOf(graft: Graft, name: string): Promise<string | undefined> {
  if (!name.includes("_")) return undefined
  const servers = await graft.mcp.list().catch(() => [])
  return servers.find(({ tools, name: server }) => tools.includes(name) && name.startsWith(`${server}_`))?.name
}

/** Nobody waits for it: what is to stop waits for this very hook. */
export function interrupt(graft: Graft, session: string, why: string): void {
  void graft.session.interrupt(session, why).catch((error: unknown) => graft.log.warn(`a hook wanted session ${session} to stop, and it could not be: ${messageOf(error)}`))
}
