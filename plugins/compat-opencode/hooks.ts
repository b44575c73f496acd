/** Each hook of opencode's V1 API at the place where Graft asks the same. What has no place is named, at load. */
import type { Graft } from "graft"
import { messageOf as faultOf } from "graft"
import type { LanguageModelV4Message } from "@ai-sdk/provider"
import type { ForeignMessage, ForeignTool, Hooks } from "./contract.ts"
import { forward } from "./events.ts"
import { checked, schemaOf } from "./parameters.ts"

/** Milliseconds that a hook may take. */
const PATIENCE = 30_000

export async function attach(graft: Graft, hooks: Hooks, directory: string): Promise<void> {
  const missing = new Set<string>()
  for (const [name, tool] of Object.entries(hooks.tool ?? {})) register(graft, name, tool, directory)
  if (hooks.event) forward(graft, (event) => void Promise.resolve(hooks.event!({ event })).catch((error: unknown) => graft.log.warn(`its event hook failed at ${event.type}: ${faultOf(error)}`)))
  if (hooks.config) for (const each of await configured(graft, hooks.config)) missing.add(each)
  if (hooks.auth) for (const each of authorised(graft, hooks.auth)) missing.add(each)
  for (const [name, hook] of Object.entries(hooks)) {
    if (["tool", "event", "config", "auth"].includes(name) || typeof hook !== "function") continue
    const join = JOINS[name as keyof typeof JOINS] as ((graft: Graft, hook: unknown) => void) | undefined
    if (join) join(graft, hook)
    else if (name.includes(".")) missing.add(`the hook ${name}`)
  }
  if (hooks.provider) missing.add("the hook provider")
  if (missing.size > 0) graft.log.warn(`of this plugin for opencode, Graft has no place for ${[...missing].join(", ")}; the rest of it works`)
}

type Join = { [H in keyof Hooks]?: (graft: Graft, hook: NonNullable<Hooks[H]>) => void }

const JOINS = {
  "tool.execute.before": (graft, hook) => void graft.on("tool.before", async (draft) => {
    const output = { args: copy(draft.input) }
    try {
      await hook({ tool: draft.name, sessionID: draft.session, callID: draft.call }, output)
      draft.input = output.args
    } catch (error) {
      // There, a throw is how a plugin says no; the model reads why.
      draft.verdict = { deny: faultOf(error) }
    }
  }, { deadline: PATIENCE }),
  "tool.execute.after": (graft, hook) => void graft.on("tool.after", async (draft) => {
    const output = { title: draft.title ?? "", output: draft.output, metadata: copy(draft.metadata ?? {}) as unknown }
    await hook({ tool: draft.name, sessionID: draft.session, callID: draft.call, args: copy(draft.input) }, output)
    draft.output = String(output.output)
    if (output.title) draft.title = output.title
    draft.metadata = output.metadata as Record<string, unknown>
  }, { deadline: PATIENCE }),
  "tool.definition": (graft, hook) => void graft.on("tool.definition", async (draft) => {
    const output = { description: draft.description, parameters: copy(draft.inputSchema) as unknown }
    await hook({ toolID: draft.name }, output)
    draft.description = output.description
    draft.inputSchema = output.parameters as Record<string, unknown>
  }),
  "shell.env": (graft, hook) => void graft.on("shell.env", async (draft) => {
    const output = { env: { ...draft.env } }
    await hook({ cwd: draft.directory }, output)
    draft.env = output.env
  }),
  "permission.ask": (graft, hook) => void graft.on("permission.evaluate", async ({ action, resource, session, call, detail }) => {
    const output: { status: "ask" | "deny" | "allow" } = { status: "ask" }
    await hook({ id: call ?? "", type: action, pattern: resource, sessionID: session ?? "", messageID: "", callID: call, title: detail ?? `${action} ${resource}`, metadata: {}, time: { created: Date.now() } }, output)
    return output.status === "ask" ? undefined : { effect: output.status, rule: action, source: graft.id }
  }, { deadline: PATIENCE }),
  "chat.message": (graft, hook) => {
    /** What it added itself, on its way in. */
    const adding = new Set<string>()
    graft.on("input.admit", async ({ session, text }) => {
      if (adding.has(`${session} ${text}`)) return undefined
      const id = `msg_${Date.now().toString(36)}`
      const output = { message: { id, sessionID: session, role: "user", time: { created: Date.now() } }, parts: [{ id: `${id}:0`, sessionID: session, messageID: id, type: "text", text }] as { type: string; text?: string; [field: string]: unknown }[] }
      await hook({ sessionID: session, messageID: id }, output)
      // What it adds to the message goes before it, into the same turn.
      const added = output.parts.slice(1).flatMap((part) => (part.type === "text" && part.text ? part.text : [])).join("\n\n")
      if (added === "") return undefined
      const key = `${session} ${added}`
      adding.add(key)
      await graft.session.prompt({ session, text: added, resume: false }).finally(() => adding.delete(key))
      return undefined
    }, { deadline: PATIENCE })
  },
  "chat.params": (graft, hook) => void graft.on("turn.request", async (draft) => {
    const output = { ...(draft.options.temperature !== undefined && { temperature: draft.options.temperature }), options: copy(draft.options.provider?.[providerOf(draft.model)] ?? {}) as Record<string, unknown> }
    const before = JSON.stringify(output)
    await hook(about(draft), output)
    if (JSON.stringify(output) === before) return
    if (output.temperature !== undefined) draft.options.temperature = output.temperature
    draft.options.provider = { ...draft.options.provider, [providerOf(draft.model)]: output.options }
  }, { deadline: PATIENCE }),
  "chat.headers": (graft, hook) => void graft.on("turn.request", async (draft) => {
    const output = { headers: { ...draft.headers } }
    await hook(about(draft), output)
    draft.headers = output.headers
  }, { deadline: PATIENCE }),
  "experimental.chat.system.transform": (graft, hook) => void graft.on("turn.request", async (draft) => {
    const output = { system: [...draft.system] }
    await hook(about(draft), output)
    draft.system = output.system
  }, { deadline: PATIENCE }),
  "experimental.chat.messages.transform": (graft, hook) => void graft.on("turn.request", async (draft) => {
    const output = { messages: draft.messages.map((message, n) => foreign(message as LanguageModelV4Message, n, draft.session ?? "")) }
    const before = output.messages.map(({ parts }) => parts.map(({ text }) => text))
    await hook({}, output)
    for (const { info, parts } of output.messages) {
      const n = Number(info.id)
      const content = draft.messages[n]?.content
      if (!Array.isArray(content)) continue
      for (const [k, part] of content.entries()) if ("text" in part && parts[k]?.text !== undefined && parts[k].text !== before[n]?.[k]) part.text = parts[k].text
    }
    const kept = new Set(output.messages.map(({ info }) => Number(info.id)))
    if (kept.size < draft.messages.length) draft.messages = draft.messages.filter((_, n) => kept.has(n))
  }, { deadline: PATIENCE }),
  "experimental.text.complete": (graft, hook) => void graft.on("turn.response", async (draft) => {
    for (const [n, part] of draft.parts.entries()) {
      if (part.kind !== "text") continue
      const output = { text: part.text }
      await hook({ sessionID: draft.session, messageID: "", partID: String(n) }, output)
      part.text = output.text
    }
  }, { deadline: PATIENCE }),
} satisfies Join

/** Drafts are proxies, and what is given away is the plugin's own. */
const copy = <T>(value: T): T => (value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T))
const providerOf = (model: string): string => model.split("/", 1)[0]!
const about = ({ session, model }: { session?: string; model: string }) => ({ sessionID: session ?? "", agent: "build", model: { id: model.slice(providerOf(model).length + 1), providerID: providerOf(model) }, provider: { info: { id: providerOf(model) } }, message: { sessionID: session ?? "", role: "user" } })

const foreign = (message: LanguageModelV4Message, n: number, sessionID: string): ForeignMessage => ({
  info: { id: String(n), sessionID, role: message.role === "tool" ? "assistant" : message.role, time: { created: 0 } },
  parts: (typeof message.content === "string" ? [{ type: "text" as const, text: message.content }] : message.content).map((part, k) => {
    const base = { id: `${n}:${k}`, sessionID, messageID: String(n) }
    if (part.type === "text" || part.type === "reasoning") return { ...base, type: part.type, text: part.text }
    if (part.type === "tool-call") return { ...base, type: "tool", tool: part.toolName, callID: part.toolCallId, state: { status: "completed", input: part.input, output: "", title: "", metadata: {}, time: { start: 0, end: 0 } } }
    if (part.type === "tool-result") return { ...base, type: "tool", tool: part.toolName, callID: part.toolCallId, state: { status: "completed", input: {}, output: "value" in part.output ? String(part.output.value) : "", title: "", metadata: {}, time: { start: 0, end: 0 } } }
    return { ...base, type: "file" }
  }),
})

function register(graft: Graft, name: string, { description = name, args = {}, execute }: ForeignTool, directory: string): void {
  graft.tool.register({
    name, description, input: schemaOf(args),
    async execute(input: unknown, context) {
      let shown: { title?: string; metadata?: Record<string, unknown> } = {}
      const result = await execute(checked(args, input), {
        sessionID: context.session, messageID: "", callID: context.call, agent: "build", directory, worktree: context.location, abort: context.signal,
        metadata: (update) => { shown = { ...shown, ...update }; context.progress({ ...(update.title !== undefined && { title: update.title }) }) },
        ask: ({ permission, patterns = [] }) => context.permit({ action: permission, resource: patterns.join(" ") }),
      })
      const { output, title, metadata } = typeof result === "object" && result !== null ? (result as { output?: unknown; title?: string; metadata?: Record<string, unknown> }) : { output: result }
      return { output: String(output ?? ""), ...shown, ...(title !== undefined && { title }), ...(metadata && { metadata }) }
    },
  })
}

/** A config hook writes into opencode's config: its commands come here, and of the rest is said that it has no place. */
async function configured(graft: Graft, hook: NonNullable<Hooks["config"]>): Promise<string[]> {
  const config: Record<string, any> = { model: await graft.config.get("model", graft.location).catch(() => undefined), agent: {}, command: {}, mcp: {}, provider: {}, permission: {}, instructions: [], plugin: [], experimental: {} }
  await hook(config)
  for (const [name, command] of Object.entries(config.command as Record<string, { template?: string; description?: string }>)) {
    graft.add("command", { name, description: command.description ?? "", expand: async (given) => (command.template ?? "").replaceAll("$ARGUMENTS", given).replace(/\$(\d)/g, (_, n: string) => given.split(/\s+/)[Number(n) - 1] ?? "") }, { key: name })
  }
  return Object.entries(config).flatMap(([key, value]) => (["agent", "mcp", "provider", "permission", "instructions"].includes(key) && value && Object.keys(value as object).length > 0 ? [`what its config hook sets in ${key} (${Object.keys(value as object).join(", ")})`] : []))
}

/** A key is asked for as any other; its own login and its loader change how that host speaks to a provider. */
function authorised(graft: Graft, { provider, methods = [], loader }: NonNullable<Hooks["auth"]>): string[] {
  const keys = methods.filter(({ type }) => type === "api")
  for (const [n, { label }] of keys.entries()) graft.add("authMethod", { id: `${graft.id}-${n}`, provider, kind: "key", label, env: [] }, { key: `${graft.id}-${n}` })
  const logins = methods.filter(({ type }) => type === "oauth").map(({ label }) => `"${label}"`)
  return [...(logins.length > 0 ? [`its login ${logins.join(", ")} (graft auth login ${provider} has Graft's own)`] : []), ...(loader ? [`what its auth loader does to ${provider}`] : [])]
}
