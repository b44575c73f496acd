/** The grammar of bash, as tree-sitter knows it: loaded by the first shell line that is judged, and from then on kept, whoever is edited. */
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { join } from "node:path"
import type { Node, Parser } from "web-tree-sitter"

/** Calls `read` with the tree of a line, which is gone afterwards. False: it would take too long. */
export type Parse = (line: string, read: (tree: Node) => void) => boolean
/** Milliseconds for one line. What is no bash can cost far more than what is. */
const PATIENCE = 500

/** `open`: at most once, however many lines wait for it; one that failed is tried again. */
export interface Grammar { open(): Promise<Parse>; close(): void }

export function lazyGrammar(): Grammar {
  let loading: Promise<Parser> | undefined
  return {
    async open() {
      const parser = await (loading ??= load().catch((error: unknown) => { loading = undefined; throw error }))
      return (line, read) => {
        const until = performance.now() + PATIENCE
        const tree = parser.parse(line, null, { progressCallback: () => performance.now() > until })
        if (!tree) return parser.reset(), false
        try {
          return read(tree.rootNode), true
        } finally {
          tree.delete()
        }
      }
    },
    close: () => void loading?.then((parser) => parser.delete(), () => {}),
  }
}

async function load(): Promise<Parser> {
  const { Language, Parser } = await import("web-tree-sitter")
  // Of the grammar's package, which is mostly sources, this one file is needed: it stands beside (test/architecture.spec compares them).
  const [runtime, bash] = await Promise.all([createRequire(import.meta.url).resolve("web-tree-sitter/web-tree-sitter.wasm"), join(import.meta.dirname, "bash.wasm")].map((file) => readFile(file)))
  await Parser.init({ wasmBinary: runtime })
  return new Parser().setLanguage(await Language.load(bash!))
}
