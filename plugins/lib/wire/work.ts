/** Who may do what: questions to a person, tools, agents, skills, commands, jobs. */
import * as v from "valibot"
import type { Agent as AgentType } from "../../agent/contract.ts"
import type { Command as CommandType } from "../../command/contract.ts"
import type * as Job_ from "../../job/contract.ts"
import type { McpServer as McpType } from "../../mcp/contract.ts"
import type * as Permission_ from "../../permission/contract.ts"
import type { PendingQuestion as QuestionType } from "../../question/contract.ts"
import type { Skill as SkillType } from "../../skill/contract.ts"
import type { ToolInfo } from "../../tool/contract.ts"
import type { TrustAsk as TrustType } from "../../trust/contract.ts"
import { exactly, maybe } from "./exact.ts"

const number = v.number()
const text = v.string()
const scope = v.picklist(["built-in", "user", "project"])

export const Verdict = exactly<Permission_.Verdict>()(v.object({ effect: v.picklist(["allow", "ask", "deny"]), rule: text, source: text, reason: maybe(text), suggest: maybe(text) }))

export const PendingAsk = exactly<Permission_.PendingAsk>()(v.object({
  id: text, location: text, verdict: Verdict, since: number, action: text, resource: text, detail: maybe(text), directory: maybe(text), session: maybe(text), call: maybe(text), rule: maybe(text),
}))

export const PermissionRule = v.object({ effect: v.picklist(["allow", "ask", "deny"]), rule: text, source: text })

export const PendingQuestion = exactly<QuestionType>()(v.object({
  id: text, location: text, since: number, text, choices: maybe(v.array(v.object({ label: text, about: maybe(text) }))), several: maybe(v.boolean()), session: maybe(text), call: maybe(text),
}))

export const TrustAsk = exactly<TrustType>()(v.object({ id: text, location: text, plugin: text, realpath: text, digest: text, files: v.array(text) }))

export const Tool = exactly<ToolInfo>()(v.object({
  name: text, description: text, inputSchema: v.record(v.string(), v.unknown()), owner: text, effects: v.array(v.picklist(["read", "write", "run", "net"])), recovery: v.picklist(["rerun", "probe", "unknown"]),
}))

export const Agent = exactly<AgentType>()(v.object({ name: text, description: text, prompt: text, model: maybe(text), tools: v.array(text), turns: maybe(number), mode: v.picklist(["primary", "subagent", "all"]), file: text, scope }))

export const Skill = exactly<SkillType>()(v.object({ name: text, description: text, file: text, scope, body: text }))

export const Command = exactly<CommandType>()(v.object({ name: text, description: text, hint: maybe(text), file: text, scope, body: text }))

export const JobSpec = exactly<Job_.JobSpec>()(v.variant("kind", [
  v.object({ kind: v.literal("shell"), command: text, directory: text, env: maybe(v.record(v.string(), v.string())) }),
  v.object({ kind: v.literal("subagent"), prompt: text, directory: text, agent: maybe(text), model: maybe(text), title: maybe(text) }),
]))

export const Job = exactly<Job_.Job>()(v.object({
  id: text, session: text, title: text, spec: JobSpec, state: v.picklist(["opened", "running", "cancelling", "settled"]), delivery: v.picklist(["steer", "queue", "inform"]), onInterrupt: v.picklist(["keep", "cancel"]),
  origin: maybe(v.object({ message: text, call: text })), outcome: maybe(v.picklist(["succeeded", "failed", "cancelled", "lost", "not-started"])), exit: maybe(number), child: maybe(text),
  output: maybe(v.object({ blob: maybe(text), bytes: number })), created: number, settled: maybe(number),
}))

export const ShellEnd = exactly<Job_.ShellEnd>()(v.object({ shell: text, ending: v.picklist(["exit", "signal", "deadline", "interrupted", "flood", "lost", "error"]), exit: maybe(number), output: text, blob: maybe(text), bytes: number, milliseconds: number }))

export const McpServer = exactly<McpType>()(v.object({ name: text, kind: v.picklist(["stdio", "http"]), state: v.picklist(["connecting", "ready", "failed", "disabled"]), reason: maybe(text), tools: v.array(text), since: number }))
