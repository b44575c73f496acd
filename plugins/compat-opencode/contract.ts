import type { Adapter } from "graft"

/** The V1 plugin API of opencode, as far as published plugins use it: what a plugin is called with, and the hooks it gives back. */
export interface PluginInput { client: unknown; project: { id: string; worktree: string; time: { created: number } }; directory: string; worktree: string; serverUrl: URL; $: unknown }

type Hook<I, O> = (input: I, output: O) => unknown
export interface ForeignTool { description?: string; args?: Record<string, unknown>; execute(args: unknown, context: ForeignContext): unknown }
export interface ForeignContext { sessionID: string; messageID: string; callID: string; agent: string; directory: string; worktree: string; abort: AbortSignal; metadata(update: { title?: string; metadata?: Record<string, unknown> }): void; ask(request: { permission: string; patterns?: string[] }): Promise<void> }

export interface Hooks {
  event?(input: { event: { type: string; properties: unknown } }): unknown
  config?(config: Record<string, any>): unknown
  tool?: Record<string, ForeignTool>
  auth?: { provider: string; loader?: unknown; methods?: readonly { type: string; label: string }[] }
  provider?: unknown
  "chat.message"?: Hook<{ sessionID: string; messageID?: string }, { message: object; parts: object[] }>
  "chat.params"?: Hook<object, { temperature?: number; topP?: number; topK?: number; options: Record<string, unknown> }>
  "chat.headers"?: Hook<object, { headers: Record<string, string> }>
  "permission.ask"?: Hook<object, { status: "ask" | "deny" | "allow" }>
  "command.execute.before"?: Hook<object, { parts: object[] }>
  "tool.execute.before"?: Hook<{ tool: string; sessionID: string; callID: string }, { args: unknown }>
  "tool.execute.after"?: Hook<{ tool: string; sessionID: string; callID: string; args?: unknown }, { title: string; output: string; metadata: unknown }>
  "tool.definition"?: Hook<{ toolID: string }, { description: string; parameters: unknown }>
  "shell.env"?: Hook<{ cwd: string; sessionID?: string }, { env: Record<string, string> }>
  "experimental.chat.messages.transform"?: Hook<object, { messages: ForeignMessage[] }>
  "experimental.chat.system.transform"?: Hook<object, { system: string[] }>
  "experimental.session.compacting"?: Hook<object, { context: string[]; prompt?: string }>
  "experimental.text.complete"?: Hook<{ sessionID: string; messageID: string; partID: string }, { text: string }>
}
export interface ForeignMessage { info: { id: string; sessionID: string; role: string; [field: string]: unknown }; parts: { id: string; type: string; text?: string; [field: string]: unknown }[] }

/** A kind of package that is no plugin of Graft by itself: which of its files are plugins (undefined: it is none of this kind), and what makes them ones. */
export interface PackageShape { id: string; entries(manifest: Record<string, unknown>): Record<string, string> | undefined; adapter: Adapter }

declare module "graft" {
  interface Slots { packageShape: PackageShape }
}
