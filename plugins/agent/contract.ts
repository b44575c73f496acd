import type { Notify } from "graft"

/** Who works: words of its own, and what it may use. `tools`: patterns of tool names, "!" before what it may not; without any, all. */
export interface Agent { name: string; description: string; /** Follows the house's prompt. */ prompt: string; model?: string; tools: readonly string[]; /** Turns that one input pays for; default 25. */ turns?: number; /** A person chooses it, a `task` gives it work, or both. */ mode: "primary" | "subagent" | "all"; file: string; scope: "built-in" | "user" | "project" }

/** Errors: `agent.unknown`. */
export interface Agents {
  /** Those that somebody may choose; `get` knows the house's own as well (title, compaction). */
  list(): Promise<Agent[]>
  get(name: string): Promise<Agent>
}

declare module "graft" {
  interface Services { agent: Agents }
  interface Events {
    "agent.added": Notify<{ agent: Omit<Agent, "prompt"> }>
    "agent.updated": Notify<{ agent: Omit<Agent, "prompt"> }>
    "agent.removed": Notify<{ name: string }>
  }
}
