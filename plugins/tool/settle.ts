/**
 * One call, from what the model wrote to what it reads: parse, validate, hooks, permission, started, execute, bound,
 * hooks. Every way ends in a settlement; nothing that a model, a tool or a hook does is thrown at the caller.
 */
import type { Graft } from "graft"
import type { JobRequest } from "../job/contract.ts"
import type { PermissionAsk } from "../permission/contract.ts"
import type { Attachment } from "../session/contract.ts"
import { pluginOf, type Tool } from "./arranged.ts"
import type { Outcome, Settlement, Settling, ToolCall, ToolContext, ToolDefinition, ToolFile, ToolResult } from "./contract.ts"
import { bound, clip, DEFAULT_LIMITS, exceeds, type Limits } from "./output.ts"
import { check, parseArguments, type Checked } from "./schema.ts"
import type { Bounds } from "./section.ts"
import { shown } from "./shown.ts"

/** A settlement on its way: what is not yet measured is missing. */
interface End { outcome: Outcome; output: string; input: unknown; title?: string; metadata?: Record<string, unknown>; files?: readonly ToolFile[]; rule?: string; milliseconds?: number; job?: JobRequest }

const DEADLINE = 600_000
/** How long a tool that was told to stop may take to say what it has. */
const GRACE = 750
/** The most of one output that is kept. */
const MAX_KEPT = 32 * 1024 * 1024
const MAX_TITLE = 500
/** Characters of metadata, as JSON. */
const MAX_METADATA = 256 * 1024
/** Files beside an output, and bytes of them together. */
const MAX_FILES = 20
const MAX_FILE_BYTES = 20 * 1024 * 1024

/** `tool.denied`: permission was not given; `verdict` says how the call ends. */
class Denied extends Error {
  readonly code = "tool.denied"
  readonly end: { outcome: "denied" | "blocked" | "interrupted"; rule: string }
  constructor(message: string, end: Denied["end"]) {
    super(message)
    this.end = end
  }
}

export async function settle(graft: Graft<never>, tool: Tool, location: string, call: ToolCall, settling: Settling, bounds: Bounds = {}): Promise<Settlement> {
  const end = await attempt(graft, tool, location, call, settling, bounds).catch((error: unknown): End => failure(error, undefined, settling.signal))
  return finish(graft, tool, call, end, bounds)
}

/** What the tool finds out about a call that a crash ended; what it cannot tell, or does not take any more, is unknown. */
export async function probe(graft: Graft<never>, tool: Tool, location: string, call: ToolCall, plan: unknown): Promise<"done" | "not-done" | "unknown"> {
  const parsed = parseArguments(call.input)
  if (!parsed.ok || !tool.item.probe) return "unknown"
  const checked = await tool.run(() => check(tool.item.input, parsed.value, (message) => graft.log.warn(message)))
  return checked.ok ? tool.run(async () => tool.item.probe!(checked.value, { session: call.session, directory: call.directory, location, plan })) : "unknown"
}

/** For a call that has no tool: hooks and bounds as for any other. */
export const settleUnknown = (graft: Graft<never>, call: ToolCall, known: readonly string[], nearby: readonly string[]): Promise<Settlement> => finish(graft, undefined, call, {
  outcome: "unknown-tool",
  output: `there is no tool "${clip(call.name, 100)}"${nearby.length > 0 ? `; did you mean ${nearby.join(", ")}?` : "."} The tools are: ${known.join(", ") || "none"}`,
  input: call.input,
})

async function attempt(graft: Graft<never>, tool: Tool, location: string, call: ToolCall, settling: Settling, bounds: Bounds): Promise<End> {
  const parsed = parseArguments(call.input)
  if (!parsed.ok) return invalid(call, [parsed.problem])
  const warn = (message: string) => graft.log.warn(`tool ${tool.item.name} of ${tool.owner}: ${message}`)
  const validate = (value: unknown) => tool.run(() => check(tool.item.input, value, warn))
  let checked = await validate(parsed.value)
  if (!checked.ok) return invalid(call, checked.problems)

  const before = await graft.mutate("tool.before", { call: call.id, session: call.session, name: call.name, input: parsed.value })
  const { verdict, input: wanted } = before.value
  if (wanted !== parsed.value) {
    checked = await validate(structuredClone(wanted))
    if (!checked.ok) return invalid(call, checked.problems.map((problem) => `${problem} (changed by ${before.patches.map(({ by }) => by).join(", ")})`))
  }
  const input = checked.value
  if (verdict && "deny" in verdict) return { outcome: "denied", output: `a hook refused this call: ${verdict.deny}`, input }
  if (verdict && "answer" in verdict) return { outcome: "ok", output: verdict.answer, input }

  const permits = new Permits(graft, call, settling)
  try {
    if (verdict) await permits.obtain({ action: "confirm", resource: call.name, detail: verdict.ask })
    const asks = await tool.run(async () => asksOf(tool.item, input, { session: call.session, directory: call.directory, location }))
    for (const ask of asks) await permits.obtain(ask)
    if (settling.signal.aborted) return { outcome: "interrupted", output: "interrupted before it started", input }
    // What is wrong with the arguments the work itself says.
    const plan = await tool.run(async () => tool.item.plan?.(input, { session: call.session, directory: call.directory, location })).catch(() => undefined)
    await settling.started(plan)
    return await execute(tool, input, location, call, settling, { permits, bounds, validate })
  } catch (error) {
    return failure(error, input, settling.signal)
  }
}

const invalid = (call: ToolCall, problems: readonly string[]): End =>
  ({ outcome: "invalid", output: `nothing was run: the arguments of ${call.name} are not valid\n${problems.map((problem) => `- ${problem}`).join("\n")}`, input: call.input })

export const readsOnly = (tool: ToolDefinition): boolean => tool.effects !== undefined && tool.effects.every((effect) => effect === "read")

async function asksOf(tool: ToolDefinition, input: unknown, at: Pick<ToolContext, "session" | "directory" | "location">): Promise<PermissionAsk[]> {
  if (!tool.permission) return readsOnly(tool) ? [] : [{ action: tool.name, resource: "" }]
  const asks = await tool.permission(input, at)
  return asks === undefined ? [] : Array.isArray(asks) ? asks : [asks]
}

/** What this call was allowed; the same thing is not asked twice. */
class Permits {
  readonly #graft: Graft<never>
  readonly #call: ToolCall
  readonly #settling: Settling
  readonly #given = new Set<string>()

  constructor(graft: Graft<never>, call: ToolCall, settling: Settling) {
    this.#graft = graft
    this.#call = call
    this.#settling = settling
  }

  async obtain(ask: PermissionAsk): Promise<void> {
    const key = JSON.stringify([ask.action, ask.resource])
    if (this.#given.has(key)) return
    const { signal } = this.#settling
    const answer = await this.#graft.permission.request({ ...ask, session: this.#call.session, call: this.#call.id }, {
      signal, waiting: (pending) => this.#settling.waiting?.(pending), replied: (id, reply) => this.#settling.replied?.(id, reply), known: (id) => this.#settling.known?.(id),
    })
    if (answer.allowed) return void this.#given.add(key)
    const { verdict, because, said } = answer
    const what = `${ask.action}${ask.resource ? ` ${clip(ask.resource, 300)}` : ""}`
    const why = verdict.reason ? ` (${verdict.reason})` : ""
    const rule = verdict.suggest ?? verdict.rule
    if (because === "interrupted") throw new Denied(`interrupted while waiting for permission: ${what}`, { outcome: "interrupted", rule })
    if (because === "unanswered") throw new Denied(`not run: ${what} needs permission${why}, and nobody is here to give it. The rule "${rule}" would allow it`, { outcome: "blocked", rule })
    if (verdict.effect === "deny") throw new Denied(`not run: ${what} is denied${why} by the rule "${verdict.rule}" (${verdict.source}). Do not look for a way around it`, { outcome: "denied", rule: verdict.rule })
    throw new Denied(`not run: the user said no to ${what}${said ? `, because: ${said}` : ". Do not repeat it; ask what to do instead"}`, { outcome: "denied", rule: verdict.rule })
  }
}

interface Within { permits: Permits; bounds: Bounds; validate(value: unknown): Promise<Checked> }

async function execute(tool: Tool, input: unknown, location: string, call: ToolCall, settling: Settling, { permits, bounds, validate }: Within): Promise<End> {
  const deadline = bounds.seconds === undefined ? (tool.item.limits?.milliseconds ?? DEADLINE) : bounds.seconds * 1_000
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), deadline)
  const signal = AbortSignal.any([settling.signal, late.signal])
  const since = performance.now()
  let over = false
  const context: ToolContext = {
    session: call.session, call: call.id, directory: call.directory, location, signal,
    progress: (update) => { if (!over) settling.progress?.(update) },
    permit: (ask) => permits.obtain(ask),
  }
  const stopped = () => (settling.signal.aborted
    ? { outcome: "interrupted" as const, why: "interrupted; it may have taken effect in part" }
    : { outcome: "error" as const, why: `stopped: it did not end within ${deadline / 1000} s; it may have taken effect in part` })
  /** Another input than the model's is checked and permitted like that one. */
  const instead = async (value: unknown): Promise<unknown> => {
    const checked = await validate(structuredClone(value))
    if (!checked.ok) throw new Error(`other arguments of ${call.name} are not valid\n${checked.problems.map((problem) => `- ${problem}`).join("\n")}`)
    for (const ask of await tool.run(async () => asksOf(tool.item, checked.value, context))) await permits.obtain(ask)
    return checked.value
  }
  try {
    const result = await withGrace(worked(tool, input, context, instead), signal)
    const milliseconds = performance.now() - since
    if (result === STUCK) return { outcome: stopped().outcome, output: stopped().why, input, milliseconds }
    const { output, title, metadata, files, failed, job } = tool.item.output ? await promised(tool, result) : plain(result as ToolResult)
    // A job that was not opened never runs.
    if (signal.aborted && job) return { outcome: stopped().outcome, output: "stopped before it went to the background: nothing was started", input, title, milliseconds }
    if (signal.aborted) return { outcome: stopped().outcome, output: [output, `(${stopped().why})`].filter(Boolean).join("\n"), input, title, metadata, milliseconds }
    return { outcome: job ? "backgrounded" : failed ? "error" : "ok", output, input, title, metadata, files, milliseconds, ...(job && { job }) }
  } catch (error) {
    const milliseconds = performance.now() - since
    if (signal.aborted && !(error instanceof Denied)) return { outcome: stopped().outcome, output: stopped().why, input, milliseconds }
    return { ...failure(error, input, settling.signal), milliseconds }
  } finally {
    over = true
    clearTimeout(timer)
  }
}

/** The work, with whoever stands around it. */
function worked(tool: Tool, input: unknown, context: ToolContext, instead: (value: unknown) => Promise<unknown>, depth = 0): Promise<unknown> {
  const wrap = tool.wraps[depth]
  if (!wrap) return tool.run(async () => tool.item.execute(input, context))
  return wrap.run(async () => wrap.item.execute(input, context, async (other) => worked(tool, other === undefined ? input : await instead(other), context, instead, depth + 1)))
}

/** A value as the tool's own schema has it. */
async function promised({ item, run, ...tool }: Tool, value: unknown): Promise<Exclude<ToolResult, string>> {
  const checked = await run(() => check(item.output!, value, () => {}))
  if (!checked.ok) return { output: `${item.name} ran, and gave something else than it should (a fault of ${tool.replaced ?? pluginOf(tool)}):\n${checked.problems.map((problem) => `- ${problem}`).join("\n")}`, failed: true }
  return { output: typeof checked.value === "string" ? checked.value : (JSON.stringify(checked.value, null, 2) ?? ""), metadata: { value: checked.value } }
}

const STUCK = Symbol("did not stop")

/** The work's own end, or `STUCK` a little after the signal: nobody waits for a tool that ignores it. */
function withGrace<T>(work: Promise<T>, signal: AbortSignal): Promise<T | typeof STUCK> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const aborted = () => { timer = setTimeout(() => resolve(STUCK), GRACE) }
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", aborted)
    }
    if (signal.aborted) aborted()
    else signal.addEventListener("abort", aborted, { once: true })
    work.then((value) => (done(), resolve(value)), (error: unknown) => (done(), reject(error)))
  })
}

/** Whatever a tool gives back becomes text. */
function plain(result: ToolResult): Exclude<ToolResult, string> {
  if (typeof result === "string") return { output: result }
  if (typeof result === "object" && result !== null && typeof result.output === "string") return result
  return { output: result === undefined || result === null ? "" : (JSON.stringify(result, null, 2) ?? String(result)) }
}

function failure(error: unknown, input: unknown, signal: AbortSignal): End {
  if (error instanceof Denied) return { outcome: error.end.outcome, output: error.message, rule: error.end.rule, input }
  if (signal.aborted) return { outcome: "interrupted", output: "interrupted", input }
  return { outcome: "error", output: error instanceof Error ? error.message : String(error), input }
}

async function finish(graft: Graft<never>, tool: Tool | undefined, call: ToolCall, end: End, bounds: Bounds = {}): Promise<Settlement> {
  const own = tool?.item.limits
  const limits: Limits = { lines: bounds.lines ?? own?.lines ?? DEFAULT_LIMITS.lines, bytes: bounds.bytes ?? own?.bytes ?? DEFAULT_LIMITS.bytes }
  const whole = end.output === "" ? "(no output)" : end.output.toWellFormed()
  const files = end.files?.length ? await keepFiles(graft, call, end.files) : undefined
  const kept = exceeds(whole, limits) ? await spill(graft, whole, limits) : { output: whole, blob: undefined }
  const value = { call: call.id, session: call.session, name: call.name, input: end.input, outcome: end.outcome, output: kept.output, title: titleOf(tool, call, end), metadata: keptMetadata(graft, call, end.metadata) }
  const after = await graft.mutate("tool.after", value).then((result) => result.value, (error: unknown) => (graft.log.warn("tool.after:", error), value))
  const output = after.output !== kept.output && exceeds(after.output, limits) ? bound(after.output, limits, (cut) => `… ${cut.lines} lines left out …`) : after.output
  return {
    outcome: after.outcome, output, title: typeof after.title === "string" ? clip(after.title, MAX_TITLE) : undefined, metadata: after.metadata === value.metadata ? value.metadata : keptMetadata(graft, call, after.metadata), rule: end.rule,
    ...(kept.blob === undefined && kept.output === whole ? {} : { truncated: true, blob: kept.blob }),
    ...(files?.length && { files }),
    bytes: Buffer.byteLength(whole), milliseconds: Math.round(end.milliseconds ?? 0),
    ...(end.job && after.outcome === "backgrounded" && { job: end.job }),
  }
}

/** Whoever shows this tool says it better. */
const titleOf = (tool: Tool | undefined, call: ToolCall, { input, outcome, output, metadata, title }: End): string | undefined =>
  (tool && shown(tool, { name: call.name, input, outcome, output, metadata }).title) ?? title

/** What cannot be written down, or is too much, is left out: it is beside the answer, not in it. */
function keptMetadata(graft: Graft<never>, call: ToolCall, metadata: Record<string, unknown> | undefined): Record<string, unknown> | undefined {
  if (metadata === undefined) return undefined
  try {
    const text = JSON.stringify(metadata)
    if (text.length <= MAX_METADATA) return JSON.parse(text) as Record<string, unknown>
    graft.log.warn(`tool ${call.name}: metadata of ${text.length} characters are left out; at most ${MAX_METADATA} are kept`)
  } catch (error) {
    graft.log.warn(`tool ${call.name}: metadata that are no JSON are left out:`, error)
  }
  return undefined
}

/** What is too much, or cannot be kept, is left out. */
async function keepFiles(graft: Graft<never>, call: ToolCall, files: readonly ToolFile[]): Promise<Attachment[]> {
  const kept: Attachment[] = []
  let left = MAX_FILE_BYTES
  for (const { name, media, bytes } of files.slice(0, MAX_FILES)) {
    if ((left -= bytes.length) < 0) break
    try {
      kept.push({ name: clip(name, 200), media, blob: (await graft.store.putBlob(bytes, media)).sha256, bytes: bytes.length })
    } catch (error) {
      graft.log.warn(`tool ${call.name}: a file could not be kept:`, error)
    }
  }
  if (kept.length < files.length) graft.log.warn(`tool ${call.name}: ${files.length - kept.length} of ${files.length} files are left out; at most ${MAX_FILES} of ${MAX_FILE_BYTES} bytes together are kept`)
  return kept
}

/** Keeps the whole as a blob and says how to read on. */
async function spill(graft: Graft<never>, whole: string, limits: Limits): Promise<{ output: string; blob?: string }> {
  const blob = await graft.store.putBlob(clip(whole, MAX_KEPT), "text/plain").then(({ sha256 }) => sha256, (error: unknown) => {
    graft.log.warn("an output could not be kept:", error)
    return undefined
  })
  const how = blob ? `read it with read {"path":"blob:${blob}","offset":` : undefined
  return { blob, output: bound(whole, limits, ({ from, lines, bytes }) => `… ${lines} lines (${bytes} bytes) left out here${how ? `; ${how}${from}}` : ", and they could not be kept"} …`) }
}
