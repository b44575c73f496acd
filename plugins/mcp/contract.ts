import type { Notify } from "graft"
import type { OAuthMethod } from "../auth/contract.ts"

export type McpState = "connecting" | "ready" | "failed" | "disabled"
/** `reason`: why it is not ready. `tools`: as a model calls them. `since`: when it came into this state. A server that failed is tried again, silently, until it is there. */
export interface McpServer { name: string; kind: "stdio" | "http"; state: McpState; reason?: string; tools: readonly string[]; since: number }

/** The servers of a project that speak the Model Context Protocol. The first question begins to connect them. Errors: `mcp.unknown`, `mcp.login` (it takes no login). */
export interface Mcp {
  /** `settled`: first waits, at most 90 s, until none is being connected. */
  list(options?: { settled?: boolean }): Promise<McpServer[]>
  /** Ends its connection or process, and begins anew. */
  restart(name: string): Promise<void>
  /** The last lines that it wrote to stderr, and what became of it, oldest first. */
  logs(name: string): Promise<string[]>
  /** How somebody logs in to it, for `auth.login`; once they have, it is connected. */
  login(name: string): Promise<OAuthMethod>
}

declare module "graft" {
  interface Services { mcp: Mcp }
  interface Events {
    "mcp.added": Notify<{ server: McpServer }>
    "mcp.updated": Notify<{ server: McpServer }>
    "mcp.removed": Notify<{ name: string }>
  }
}
