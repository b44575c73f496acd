/**
 * One server that runs: the connection, the files that it has open, and what it said of each. It outlives the generation that
 * started it, so it calls back through `ears`, which each generation puts on anew.
 */
import { pathToFileURL } from "node:url"
import { basename } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { messageOf } from "graft"
import type { MessageConnection } from "vscode-jsonrpc"
import { Companion, type Program } from "../lib/companion.ts"
import type { Leash } from "../lib/leash.ts"
import type { ServerLog } from "../lib/serverlog.ts"
import type { Diagnostic, LanguageServer } from "./contract.ts"
import { Documents } from "./documents.ts"
import { boundedFrames } from "./frames.ts"
import { pathOf } from "./place.ts"
import { diagnosticsOf } from "./report.ts"

/** Milliseconds for its first answer, for any other one, and for its farewell. */
const START = 10_000
export const ANSWER = 5_000
const FAREWELL = 500
/** Milliseconds for what it says of a text, of the first since it started: it may have all of a project to read; and of silence after which that is taken for all of it: many send it in parts. */
const DIAGNOSTICS = 3_000
const FIRST_DIAGNOSTICS = 10_000
const QUIET = 250

/** `heard`: what it says of a file is another thing than before. */
export interface Ears { lost(why: string): void; heard(path: string, diagnostics: readonly Diagnostic[]): void }
export interface Opening { server: LanguageServer; root: string; program: Program; log: ServerLog; leash: Leash }

export class Live {
  readonly server: LanguageServer
  readonly root: string
  readonly since = Date.now()
  ears: Ears | undefined
  /** Why it does not run any more. */
  lost: string | undefined
  readonly #companion: Companion
  readonly #connection: MessageConnection
  readonly #documents: Documents
  #ending: Promise<void> | undefined
  #spoke = false
  readonly #waiting = new Set<() => void>()

  constructor(library: typeof import("vscode-jsonrpc/node"), { server, root, program, log, leash }: Opening) {
    this.server = server
    this.root = root
    this.#companion = new Companion(program, leash)
    const { stdin, stdout, stderr, gone } = this.#companion
    stderr.on("data", (chunk: Buffer) => log.add(chunk))
    const frames = stdout.pipe(boundedFrames((why) => this.#lose(why)))
    this.#connection = library.createMessageConnection(new library.StreamMessageReader(frames), new library.StreamMessageWriter(stdin))
    this.#documents = new Documents(server, (method, params) => this.#tell(method, params))
    this.#connection.onError(([error]) => log.say(messageOf(error).slice(0, 300)))
    this.#answer()
    this.#connection.listen()
    void gone.then((how) => {
      const words = log.last()?.trim().slice(0, 200)
      this.#lose(`${typeof how === "number" ? `it ended (exit code ${how})` : how.startsWith("SIG") ? `it ended (${how})` : how}${words ? `: ${words}` : ""}`)
    })
  }

  get files(): number { return this.#documents.size }

  async begin(signal: AbortSignal): Promise<void> {
    const uri = pathToFileURL(this.root).href
    await this.request("initialize", {
      processId: process.pid, clientInfo: { name: "graft" }, rootPath: this.root, rootUri: uri, workspaceFolders: [{ uri, name: basename(this.root) }],
      ...(this.server.initialization !== undefined && { initializationOptions: this.server.initialization }),
      capabilities: {
        general: { positionEncodings: ["utf-16"] },
        workspace: { configuration: true, workspaceFolders: true, didChangeConfiguration: {}, didChangeWatchedFiles: {}, symbol: {} },
        textDocument: { synchronization: { didSave: true }, publishDiagnostics: { versionSupport: true }, documentSymbol: { hierarchicalDocumentSymbolSupport: true }, definition: { linkSupport: true }, references: {} },
      },
    }, { deadline: START, signal })
    this.#tell("initialized", {})
    if (this.server.settings) this.#tell("workspace/didChangeConfiguration", { settings: this.server.settings })
  }

  /** What it asks for itself. What nobody knows is answered with an error by the library. */
  #answer(): void {
    const connection = this.#connection
    connection.onNotification("textDocument/publishDiagnostics", ({ uri, version, diagnostics }: { uri?: unknown; version?: unknown; diagnostics?: unknown }) => this.#published(pathOf(uri), version, diagnosticsOf(diagnostics)))
    connection.onRequest("workspace/configuration", ({ items }: { items?: unknown }) => (Array.isArray(items) ? items.slice(0, 100).map(({ section }: { section?: string }) => settingsAt(this.server.settings, section)) : []))
    connection.onRequest("workspace/workspaceFolders", () => [{ uri: pathToFileURL(this.root).href, name: basename(this.root) }])
    connection.onRequest("workspace/applyEdit", () => ({ applied: false, failureReason: "only the agent changes files" }))
    for (const method of ["client/registerCapability", "client/unregisterCapability", "window/workDoneProgress/create", "window/showMessageRequest", "workspace/diagnostic/refresh", "workspace/semanticTokens/refresh", "workspace/inlayHint/refresh", "workspace/codeLens/refresh"]) connection.onRequest(method, () => null)
  }

  #published(path: string | undefined, version: unknown, diagnostics: readonly Diagnostic[]): void {
    const document = path === undefined ? undefined : this.#documents.get(path)
    // Of an older text, or of a file that nobody asked about.
    if (!document || (typeof version === "number" && version < document.version)) return
    this.#spoke = true
    const changed = !isDeepStrictEqual(document.diagnostics, diagnostics)
    Object.assign(document, { diagnostics, answered: document.version, heard: performance.now() })
    if (changed) this.ears?.heard(path!, diagnostics)
    this.#wake()
  }

  /** What it says of a file as that is now; `late` where it says nothing in time. */
  async diagnose(path: string): Promise<{ diagnostics: readonly Diagnostic[]; late?: string } | undefined> {
    await this.#documents.refresh()
    const document = await this.#documents.show(path)
    if (!document) return undefined
    const patience = this.#spoke ? DIAGNOSTICS : FIRST_DIAGNOSTICS
    const until = performance.now() + patience
    for (let now = performance.now(); now < until && this.lost === undefined; now = performance.now()) {
      const answered = document.answered === document.version
      if (answered && now - document.heard >= QUIET) break
      await this.#sleep(answered ? Math.min(until - now, QUIET - (now - document.heard)) : until - now)
    }
    if (this.lost !== undefined) return { diagnostics: [], late: this.lost }
    return document.answered === document.version ? { diagnostics: document.diagnostics } : { diagnostics: [], late: `no word in ${patience / 1_000} s` }
  }

  /** Knows a file as it is now, and all others that it has open. */
  async show(path: string): Promise<boolean> {
    await this.#documents.refresh()
    return (await this.#documents.show(path)) !== undefined
  }

  uriOf(path: string): string { return this.#documents.get(path)?.uri ?? pathToFileURL(path).href }

  async request(method: string, params: unknown, { deadline = ANSWER, signal }: { deadline?: number; signal?: AbortSignal } = {}): Promise<unknown> {
    if (this.lost !== undefined) throw new Error(this.lost)
    const { CancellationTokenSource } = await import("vscode-jsonrpc/node")
    const source = new CancellationTokenSource()
    const { promise: failed, reject } = Promise.withResolvers<never>()
    const give = (why: string) => {
      source.cancel()
      reject(new Error(why))
    }
    const stop = () => give("it was stopped")
    const lost = () => { if (this.lost !== undefined) reject(new Error(this.lost)) }
    const timer = setTimeout(() => give(`it did not answer within ${deadline / 1_000} s`), deadline)
    signal?.addEventListener("abort", stop, { once: true })
    if (signal?.aborted) stop()
    this.#waiting.add(lost)
    try {
      return await Promise.race([this.#connection.sendRequest<unknown>(method, params, source.token), failed])
    } catch (error) {
      throw this.lost === undefined ? error : new Error(this.lost, { cause: error })
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener("abort", stop)
      this.#waiting.delete(lost)
      source.dispose()
    }
  }

  #tell(method: string, params: unknown): void {
    if (this.lost === undefined) this.#connection.sendNotification(method, params).catch(() => {})
  }

  #lose(why: string): void {
    if (this.lost !== undefined || this.#ending) return
    this.lost = why
    this.ears?.lost(why)
    this.#wake()
    void this.end()
  }

  /** Ends when nothing of it runs any more. */
  end(): Promise<void> {
    return (this.#ending ??= (async () => {
      if (this.lost === undefined) {
        await this.request("shutdown", undefined, { deadline: FAREWELL }).catch(() => {})
        this.#tell("exit", undefined)
      }
      this.lost ??= "it was ended"
      this.#wake()
      await this.#companion.end()
      this.#connection.dispose()
    })())
  }

  #wake(): void { for (const wake of this.#waiting) wake() }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, milliseconds)
      this.#waiting.add(done)
    })
  }
}

/** `a.b` of the settings, or all of them. */
function settingsAt(settings: unknown, section: string | undefined): unknown {
  let at: unknown = settings ?? null
  for (const key of section ? section.split(".") : []) at = typeof at === "object" && at !== null && Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : null
  return at
}

/** Starts one; rejects with the reason, and leaves nothing behind. */
export async function openLive(opening: Opening, signal: AbortSignal): Promise<Live> {
  const library = await import("vscode-jsonrpc/node")
  const live = new Live(library, opening)
  try {
    await live.begin(signal)
    return live
  } catch (error) {
    const why = live.lost ?? messageOf(error)
    await live.end()
    throw new Error(why, { cause: error })
  }
}
