import type { Notify } from "graft"

/** How a server for some languages is started. */
export interface LanguageServer {
  name: string
  /** By extension, with the dot, the language as the protocol calls it: { ".ts": "typescript" }. */
  extensions: Readonly<Record<string, string>>
  command: readonly string[]
  env?: Readonly<Record<string, string>>
  /** Files that stand in the root of what it serves; the nearest above a file counts. Default: the project's directory. */
  marks?: readonly string[]
  /** Not where this other one is installed. */
  unless?: string
  /** Sent with `initialize`; and what it is told when it asks for its settings, by section. */
  initialization?: unknown
  settings?: Readonly<Record<string, unknown>>
}

export type LspState = "starting" | "running" | "failed" | "stopped"
/** One server for one root. `reason`: why it does not run. `since`: when it came into this state. `files`: those that it has open. */
export interface LspServer { name: string; root: string; state: LspState; reason?: string; since: number; files: number }

export type Severity = "error" | "warning" | "info" | "hint"
/** Lines and columns count from one. */
export interface Diagnostic { severity: Severity; line: number; column: number; message: string; code?: string; source?: string }
/** What a server says of a file. `late`: it has not answered in time, and what stands here is not of this text. */
export interface Findings { server: string; path: string; diagnostics: readonly Diagnostic[]; late?: string }

/** Language servers of a project. They are started when the first of their files is read or changed, and only where the config asks for them. Errors: `lsp.unknown`, `lsp.off` (no server for this file, and why). */
export interface Lsp {
  register(server: LanguageServer): () => void
  /** Those that were started, or should have been. */
  list(): Promise<LspServer[]>
  /** What the servers say of files as they are on disk now: at most three seconds later, and ten where one has yet to start. Real paths. */
  diagnose(paths: readonly string[]): Promise<Findings[]>
  /** The last lines of what it wrote, and what became of it. */
  logs(name: string): Promise<string[]>
  /** Ends all of this name; they are started anew when they are needed. */
  restart(name: string): Promise<void>
}

declare module "graft" {
  interface Services { lsp: Lsp }
  interface Slots { lsp: LanguageServer }
  interface Events {
    "lsp.started": Notify<{ server: LspServer }>
    /** It was not needed any more, or somebody asked. */
    "lsp.stopped": Notify<{ server: LspServer }>
    /** It could not be started, or ended by itself; it is tried again when it is needed, ever more rarely. */
    "lsp.failed": Notify<{ server: LspServer }>
    /** What a server says of a file is another thing than before. At most fifty are listed, errors first. */
    "lsp.diagnostics": Notify<{ server: string; path: string; diagnostics: readonly Diagnostic[] }>
  }
}
