/** What can be wrong with a question about servers. */
import { near } from "../lib/near.ts"

/** `mcp.unknown`: there is no server of this name; `mcp.login`: it takes no login. */
export class McpError extends Error {
  readonly code: "mcp.unknown" | "mcp.login"
  constructor(code: McpError["code"], message: string) {
    super(message)
    this.code = code
  }
}

export function unknown(name: string, known: readonly string[]): McpError {
  const [best] = near(name, known)
  return new McpError("mcp.unknown", `there is no MCP server "${name}"${best ? `; did you mean "${best}"?` : known.length > 0 ? `; there are ${known.join(", ")}` : "; the config names none under \"mcp\""}`)
}
