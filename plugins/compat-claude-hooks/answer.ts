/**
 * What an end means: exit 0 is yes, and may say more in JSON; 2 holds the event back, and stderr says why; anything else
 * is a fault of the hook, and holds nothing back. Of several hooks the strictest counts. Pure.
 */
import * as v from "valibot"
import type { Answer, Behaviour, Hook, HookEvent, Ran } from "./contract.ts"

/** Characters of one hook's words that a model reads. */
const MOST_WORDS = 10_000

/** Where plain words on stdout are for the model. */
const HEARD: ReadonlySet<HookEvent> = new Set(["UserPromptSubmit", "SessionStart", "SubagentStart"])
/** Where to hold back is to refuse. */
const REFUSABLE: ReadonlySet<HookEvent> = new Set(["PreToolUse", "PermissionRequest"])

const words = v.nullish(v.string())
const Output = v.looseObject({
  continue: v.nullish(v.boolean()), stopReason: words, systemMessage: words, reason: words,
  decision: v.nullish(v.picklist(["approve", "block"])),
  hookSpecificOutput: v.nullish(v.looseObject({
    permissionDecision: v.nullish(v.picklist(["allow", "deny", "ask", "defer"])), permissionDecisionReason: words,
    updatedInput: v.nullish(v.record(v.string(), v.unknown())), additionalContext: words, updatedMCPToolOutput: v.optional(v.unknown()),
    decision: v.nullish(v.looseObject({ behavior: v.picklist(["allow", "deny"]), message: words, interrupt: v.nullish(v.boolean()) })),
  })),
})

export function answerOf({ event, source }: Pick<Hook, "event" | "source">, ran: Ran): Answer {
  switch (ran.kind) {
    case "failed": return nothing({ problem: ran.why })
    case "verdict": return ran.ok ? nothing() : heldBack(event, source, ran.reason)
    case "exit": break
    default: return ran satisfies never
  }
  if (ran.code === 2) return heldBack(event, source, clipped(ran.stderr) || "it said no, and not why")
  if (ran.code !== 0) return nothing({ problem: [`exit code ${ran.code}`, clipped(ran.stderr)].filter(Boolean).join(": ") })
  const said = ran.stdout.trim()
  const json = objectIn(said)
  if (json) return fromJson(event, source, json)
  return nothing({ ...(HEARD.has(event) && said !== "" && { context: [clipped(said)] }) })
}

const nothing = (more: Partial<Answer> = {}): Answer => ({ context: [], messages: [], ...more })
const heldBack = (event: HookEvent, source: string, reason: string): Answer => nothing(REFUSABLE.has(event) ? { permission: { behaviour: "deny", reason, source } } : { block: reason })
const clipped = (text: string): string => text.trim().slice(0, MOST_WORDS).toWellFormed()

function objectIn(text: string): object | undefined {
  if (!text.startsWith("{")) return undefined
  try {
    return JSON.parse(text) as object
  } catch {
    return undefined
  }
}

function fromJson(event: HookEvent, source: string, json: object): Answer {
  const parsed = v.safeParse(Output, json)
  if (!parsed.success) {
    const [issue] = parsed.issues
    return nothing({ problem: `its JSON is not what a hook may answer: ${v.getDotPath(issue) ?? "it"}: ${issue.message}` })
  }
  const { continue: goesOn, stopReason, systemMessage, decision, reason, hookSpecificOutput: own } = parsed.output
  const permission = permissionIn(event, decision, reason, own)
  const output = own?.updatedMCPToolOutput
  return nothing({
    ...(decision === "block" && !permission && { block: clipped(reason ?? "") || "it said no, and not why" }),
    ...(permission && { permission: { ...permission, source } }),
    ...(own?.updatedInput && { updatedInput: own.updatedInput }),
    ...(output !== undefined && { updatedOutput: typeof output === "string" ? output : JSON.stringify(output) }),
    ...(own?.additionalContext && { context: [clipped(own.additionalContext)] }),
    ...((goesOn === false || own?.decision?.interrupt) && { stop: clipped(stopReason ?? own?.decision?.message ?? "") || `a hook of ${event} ended it` }),
    ...(systemMessage && { messages: [clipped(systemMessage)] }),
  })
}

type Own = NonNullable<v.InferOutput<typeof Output>["hookSpecificOutput"]>

/** `decision` at the top is how it was said once; what is said for the event itself counts. */
function permissionIn(event: HookEvent, decision: "approve" | "block" | null | undefined, reason: string | null | undefined, own: Own | null | undefined): { behaviour: Behaviour; reason: string } | undefined {
  if (event === "PermissionRequest" && own?.decision) return { behaviour: own.decision.behavior, reason: clipped(own.decision.message ?? "") || "it gave no reason" }
  if (event === "PreToolUse" && own?.permissionDecision) return own.permissionDecision === "defer" ? undefined : { behaviour: own.permissionDecision, reason: clipped(own.permissionDecisionReason ?? reason ?? "") || "it gave no reason" }
  if (!REFUSABLE.has(event) || !decision) return undefined
  return { behaviour: decision === "block" ? "deny" : "allow", reason: clipped(reason ?? "") || "it gave no reason" }
}

const STRICTNESS: readonly Behaviour[] = ["allow", "ask", "deny"]

/** In the order of the files: no beats a question, a question beats yes; words are added up, of two inputs the later counts. */
export function together(answers: readonly Answer[]): Answer {
  return answers.reduce((all, one): Answer => {
    const blocks = [all.block, one.block].filter((block) => block !== undefined)
    const permission = !all.permission || (one.permission && STRICTNESS.indexOf(one.permission.behaviour) > STRICTNESS.indexOf(all.permission.behaviour)) ? one.permission : all.permission
    return { ...all, ...one, context: [...all.context, ...one.context], messages: [...all.messages, ...one.messages], ...(blocks.length > 0 && { block: blocks.join("\n") }), ...(permission && { permission }), ...(all.stop !== undefined && { stop: all.stop }) }
  }, nothing())
}
