import type { Mutate, Notify } from "graft"
import type { StandardSchemaV1 } from "@standard-schema/spec"
import type { ToolSpec } from "../llm/contract.ts"
import type { JobRequest } from "../job/contract.ts"
import type { Json } from "../eventlog/contract.ts"
import type { Attachment } from "../session/contract.ts"
import type { Decided, PendingAsk, PermissionAsk } from "../permission/contract.ts"

export type Effect = "read" | "write" | "run" | "net"
/** What a crash between start and end means: run it again, look whether it happened, or nobody knows. */
export type Recovery = "rerun" | "probe" | "unknown"

export interface ToolContext {
  session: string
  call: string
  /** Where relative paths start; and the real path of the project. */
  directory: string
  location: string
  signal: AbortSignal
  /** Shown live, latest wins; never stored. */
  progress(update: { title?: string; output?: string }): void
  /** Asks permission in mid-call (throws `tool.denied` when not allowed). */
  permit(ask: PermissionAsk): Promise<void>
}
/** A picture, a document, a sound: `media` is told from its bytes. */
export interface ToolFile { name: string; media: string; bytes: Uint8Array }
export type ToolResult = string | { output: string; title?: string; metadata?: Record<string, unknown>; /** What a model is shown besides the text, as far as it can take it. At most 20, of 20 MiB together. */ files?: readonly ToolFile[]; /** The tool ran, and its answer is a failure, e.g. an exit code. */ failed?: boolean; /** The work goes on as this job, and the output says so: the call ends as `backgrounded`. */ job?: JobRequest }

/** JSON Schema as is, or any Standard Schema. */
export type ToolInput = StandardSchemaV1 | Record<string, unknown>
/** With an output schema: a value that it describes. */
export type Given<O> = O extends StandardSchemaV1 ? StandardSchemaV1.InferInput<O> : O extends Record<string, unknown> ? unknown : ToolResult
export interface ToolDefinition<S extends ToolInput = any, O extends ToolInput | undefined = undefined> {
  name: string
  description: string
  input: S
  execute(input: S extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<S> : any, context: ToolContext): Given<O> | Promise<Given<O>>
  /** What it gives: checked, and told the model as JSON (a string as it is). Without: a `ToolResult`. */
  output?: O
  /** Default ["run"]. */
  effects?: readonly Effect[]
  /** Default "unknown"; "rerun" where effects are only ["read"]. */
  recovery?: Recovery
  /** For `probe`: what it will need to know after a crash, such as what there is now and what is to be; written down with the start. */
  plan?(input: any, context: Pick<ToolContext, "session" | "directory" | "location">): Json | undefined | Promise<Json | undefined>
  /** After a crash: did it take effect? Asked of a call with recovery "probe"; without it nobody knows. */
  probe?(input: any, context: Pick<ToolContext, "session" | "directory" | "location"> & { plan?: unknown }): Promise<"done" | "not-done" | "unknown">
  /** What must be allowed before it starts. Default: `{ action: name, resource: "" }` unless its effects are only ["read"]. */
  permission?(input: any, context: Pick<ToolContext, "session" | "directory" | "location">): PermissionAsk | PermissionAsk[] | undefined | Promise<PermissionAsk | PermissionAsk[] | undefined>
  /** Output beyond this is kept as a blob, and the model is told how to read on. Default 2,000 lines, 51,200 bytes, 10 minutes. */
  limits?: { lines?: number; bytes?: number; milliseconds?: number }
}
/** `owner` and the others are plugins: who has it, who replaced parts of it, who stands around it (the outermost first), who shows it. */
export interface ToolInfo extends ToolSpec { owner: string; effects: readonly Effect[]; recovery: Recovery; replaced?: string; wraps?: readonly string[]; render?: string }

/** Around the work of another plugin's tool; of several the lowest order is outermost. `next` does the work: with the same input, or with another one, which is checked and permitted like a model's. */
export interface ToolWrap { tool: string; execute(input: any, context: ToolContext, next: (input?: unknown) => Promise<unknown>): unknown }
/** Parts in the place of another plugin's tool's own. With other `input` its `permission` is not asked any more, with another `execute` its `plan`, `probe`, `recovery` and `output` do not count. */
export interface ToolReplace extends Partial<Omit<ToolDefinition<any, any>, "name">> { tool: string }
/** How faces show a call of a tool, apart from what it does and what the model reads: a line, and Markdown. */
export interface ToolRender { tool: string; title?(call: ShownCall): string | undefined; body?(call: ShownCall): string | undefined }
/** Without an outcome it has not ended. */
export interface ShownCall { name: string; input: unknown; outcome?: Outcome; output?: string; metadata?: unknown }

export interface ToolCall { id: string; name: string; /** JSON text as the model wrote it. */ input: string; session: string; directory: string }
export type Outcome = "ok" | "error" | "denied" | "blocked" | "invalid" | "unknown-tool" | "interrupted" | "backgrounded"
/** `output` is what the model reads. `blocked`: permission is needed and nobody can answer; `rule` names it. `backgrounded`: `job` is to be opened in the commit that settles the call, and started after it. */
export interface Settlement { outcome: Outcome; output: string; title?: string; metadata?: Record<string, unknown>; rule?: string; truncated?: boolean; bytes: number; blob?: string; files?: readonly Attachment[]; milliseconds: number; job?: JobRequest }
export interface Settling {
  signal: AbortSignal
  /** Awaited right before the effect: what must be durable first is. */
  started(plan?: Json): Promise<void>
  /** A person is about to be asked, and has answered; and an answer to this very question from before a crash. */
  waiting?(ask: PendingAsk): void | Promise<void>
  replied?(ask: string, reply: Decided): void | Promise<void>
  known?(ask: string): Decided | undefined
  progress?(update: { title?: string; output?: string }): void
}

/** What one turn advertised, held still: the definitions that the model saw are the ones that run. Dispose it at the turn's end. */
export interface ToolSet {
  tools: ToolSpec[]
  recovery(name: string): Recovery
  settle(call: ToolCall, settling: Settling): Promise<Settlement>
  /** Did a call that a crash ended take effect? `plan` as it was written down. */
  probe(call: ToolCall, plan: unknown): Promise<"done" | "not-done" | "unknown">
  dispose(): void
}

export interface Tools {
  register<S extends ToolInput, O extends ToolInput | undefined = undefined>(definition: ToolDefinition<S, O>): () => void
  list(): Promise<ToolInfo[]>
  advertise(): Promise<ToolSet>
  /** What the plugin that shows this tool makes of a call; empty where there is none. */
  show(call: ShownCall): Promise<{ title?: string; body?: string }>
}

/**
 * The one way to change a file, and what each session last saw of it. `version` is the hash of a file's bytes.
 * Errors: `file.changed` (it is not what was expected), `file.refused`.
 */
export interface Files {
  /** Kept in memory, bounded; `text` only up to 256 KiB. */
  saw(sight: { session: string; path: string; version: string; text?: string }): Promise<void>
  lastSeen(session: string, path: string): Promise<{ version: string; text?: string } | undefined>
  /** Compare and swap, one at a time a path: writes beside, syncs, renames; mode and owner are kept. `path` is a real path; `expect` absent: it must not exist. */
  replace(change: { session: string; path: string; bytes: Uint8Array; text?: string; expect?: string }): Promise<{ version: string; created: boolean }>
  /** Several as one: all of them or none, also when this process is killed in the middle; each path once. What a killed process left is finished or taken back when the next one opens a project. */
  change(change: { session: string; files: readonly FileChange[] }): Promise<void>
  /** What killed processes left is finished or taken back by now. */
  recovered(): Promise<void>
}

/** One file of several. `bytes` absent: it is removed; `expect` absent: it must not exist. A new file is like another one in mode and owner, or has this mode. */
export interface FileChange { path: string; bytes?: Uint8Array; text?: string; expect?: string; like?: string; mode?: number }

declare module "graft" {
  interface Services { tool: Tools; file: Files }
  interface Slots { tool: ToolDefinition<any, any>; toolWrap: ToolWrap; toolReplace: ToolReplace; toolRender: ToolRender }
  interface Events {
    "tool.added": Notify<{ tool: ToolInfo }>
    "tool.updated": Notify<{ tool: ToolInfo }>
    "tool.removed": Notify<{ tool: ToolInfo }>
    /** What the model will be told of a tool. */
    "tool.definition": Mutate<{ name: string; description: string; inputSchema: Record<string, unknown> }>
    /** Before permission: change the input, or set a verdict: deny, ask, or an answer. */
    "tool.before": Mutate<{ call: string; session: string; name: string; input: unknown; verdict?: { deny: string } | { ask: string } | { answer: string } }>
    /** What came of a call, before the model reads it: change its output, title, metadata or outcome. */
    "tool.after": Mutate<{ call: string; session: string; name: string; input: unknown; outcome: Outcome; output: string; title?: string; metadata?: Record<string, unknown> }>
  }
}
