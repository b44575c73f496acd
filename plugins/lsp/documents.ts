/** The files that a server has open, as they are on disk: before it is asked anything, it hears of all that changed, whoever changed it (demand.md e8). */
import { stat } from "node:fs/promises"
import { extname } from "node:path"
import { pathToFileURL } from "node:url"
import { readTextFile } from "../lib/textfile.ts"
import type { Diagnostic, LanguageServer } from "./contract.ts"

/** Files that are open at once; those that were looked at longest ago are closed first. */
const MOST_OPEN = 50
/** Characters of one. */
const MOST_TEXT = 2 * 1024 * 1024

/** `answered`: the version that the diagnostics are of; `heard`: when they came. */
export interface Document { uri: string; version: number; stamp: string; hash: string; answered: number; heard: number; diagnostics: readonly Diagnostic[] }

export class Documents {
  readonly #server: LanguageServer
  readonly #tell: (method: string, params: unknown) => void
  readonly #open = new Map<string, Document>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(server: LanguageServer, tell: (method: string, params: unknown) => void) {
    this.#server = server
    this.#tell = tell
  }

  get size(): number { return this.#open.size }
  get(path: string): Document | undefined { return this.#open.get(path) }

  /** Those whose stat changed are told anew. */
  refresh(): Promise<void> {
    return this.#inTurn(async () => {
      // Being told of moves one to the end.
      for (const [path, document] of Array.from(this.#open)) if ((await stampOf(path)) !== document.stamp) await this.#sync(path)
    })
  }

  /** Undefined where it is no text that a server could read. */
  show(path: string): Promise<Document | undefined> { return this.#inTurn(() => this.#sync(path)) }

  /** What is told keeps its order. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work)
    this.#turn = next.catch(() => {})
    return next
  }

  async #sync(path: string): Promise<Document | undefined> {
    const stamp = await stampOf(path)
    const known = this.#open.get(path)
    const file = stamp === undefined ? undefined : await readTextFile(path).catch(() => undefined)
    const uri = known?.uri ?? pathToFileURL(path).href
    if (!file || file.text.length > MOST_TEXT || stamp === undefined) {
      if (known) this.#close(path, known)
      return undefined
    }
    if (!known) {
      const document: Document = { uri, version: 1, stamp, hash: file.version, answered: 0, heard: 0, diagnostics: [] }
      this.#open.set(path, document)
      this.#tell("workspace/didChangeWatchedFiles", { changes: [{ uri, type: 1 }] })
      this.#tell("textDocument/didOpen", { textDocument: { uri, languageId: this.#server.extensions[extname(path).toLowerCase()] ?? "plaintext", version: 1, text: file.text } })
      for (const [oldest, document] of this.#open) if (this.#open.size > MOST_OPEN) this.#close(oldest, document)
      return document
    }
    this.#open.delete(path)
    this.#open.set(path, known)
    known.stamp = stamp
    if (known.hash === file.version) return known
    known.hash = file.version
    known.version++
    this.#tell("textDocument/didChange", { textDocument: { uri, version: known.version }, contentChanges: [{ text: file.text }] })
    this.#tell("textDocument/didSave", { textDocument: { uri } })
    this.#tell("workspace/didChangeWatchedFiles", { changes: [{ uri, type: 2 }] })
    return known
  }

  #close(path: string, { uri }: Document): void {
    this.#open.delete(path)
    this.#tell("textDocument/didClose", { textDocument: { uri } })
  }
}

/** Changes whenever the file may have; undefined where there is none. */
const stampOf = (path: string): Promise<string | undefined> => stat(path).then((status) => (status.isFile() ? `${status.ino} ${status.size} ${status.mtimeMs} ${status.ctimeMs}` : undefined), () => undefined)
