/** What can be wrong with a question about servers. */
import { near } from "../lib/near.ts"

/** `mcp.unknown`: there is no server of this name. */
export class McpError extends Error {
  readonly code = "mcp.unknown"
}

export function unknown(name: string, known: readonly string[]): McpError {
  const [best] = near(name, known)
  return new McpError(`there is no MCP server "${name}"${best ? `; did you mean "${best}"?` : known.length > 0 ? `; there are ${known.join(", ")}` : "; the config names none under \"mcp\""}`)
}
