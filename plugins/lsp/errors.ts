/** What can be wrong with a question about language servers. */
import { near } from "../lib/near.ts"

/** `lsp.unknown`: none of this name; `lsp.off`: none serves this file, and why. */
export class LspError extends Error {
  readonly code: "lsp.unknown" | "lsp.off"
  constructor(code: LspError["code"], message: string) {
    super(message)
    this.code = code
  }
}

export function unknown(name: string, known: readonly string[]): LspError {
  const [best] = near(name, known)
  return new LspError("lsp.unknown", `there is no language server "${name}"${best ? `; did you mean "${best}"?` : known.length > 0 ? `; there are ${known.join(", ")}` : '; the config asks for none ("lsp": true)'}`)
}
