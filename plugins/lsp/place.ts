/** Places as the protocol writes them. */
import { fileURLToPath } from "node:url"

/** Servers encode URIs in their own ways; a path is one. Undefined for what is no file. */
export function pathOf(uri: unknown): string | undefined {
  if (typeof uri !== "string" || !uri.startsWith("file:")) return undefined
  try {
    return fileURLToPath(uri)
  } catch {
    return undefined
  }
}
