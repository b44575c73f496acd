/** Looking into a running instance from here: the client of its socket, and the kernel as either of both offers it. */
import { connect, type Socket } from "node:net"
import type { Graft, JournalEntry, KernelView, LogEntry } from "graft"
import { LineReader } from "../lib/lines.ts"
import type { Call, ClientMessage, Instance, Subscribe, Told } from "../server/contract.ts"
import { comeUp } from "./notices.ts"

/** Milliseconds that one answer may take. */
const PATIENCE = 15_000
/** Bytes of one line that an instance may send. */
const LINE = 67_108_864

/** `cli.remote`: the instance went away, or does not answer. Other codes are those of the service called. */
export class RemoteError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

type Answer = { result?: unknown } | { error: { code: string; message: string } }

export class Remote implements Disposable {
  readonly instance: Instance
  readonly #socket: Socket
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #hear: (told: Told | { gap: number }) => void = () => {}
  #id = 0

  constructor(instance: Instance) {
    this.instance = instance
    const reader = new LineReader(LINE)
    // On Windows the file stands for a named pipe.
    this.#socket = connect(process.platform === "win32" ? `\\\\?\\pipe\\${instance.socket}` : instance.socket)
    this.#socket.on("data", (chunk) => { for (const line of reader.push(chunk)) this.#take(JSON.parse(line) as Record<string, unknown>) })
    this.#socket.on("error", () => {}).once("close", () => this.#lost())
  }

  async call<T>(call: Call): Promise<T> { return (await this.#say((id) => ({ id, call }))) as T }

  /** Events as they happen, until the signal aborts or the instance is gone. */
  async *events(subscribe: Subscribe, signal: AbortSignal): AsyncGenerator<Told | { gap: number }> {
    const queue: (Told | { gap: number })[] = []
    let wake = () => {}
    this.#hear = (told) => (queue.push(told), wake())
    const stop = () => wake()
    this.#socket.once("close", stop)
    signal.addEventListener("abort", stop, { once: true })
    await this.#say((id) => ({ id, subscribe }))
    while (!signal.aborted) {
      yield* queue.splice(0)
      if (this.#socket.destroyed) return
      if (queue.length === 0 && !signal.aborted) await new Promise<void>((resolve) => { wake = resolve })
    }
  }

  [Symbol.dispose](): void { this.#socket.destroy() }

  #say(message: (id: number) => ClientMessage): Promise<unknown> {
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle({ error: { code: "cli.remote", message: `the instance ${this.instance.pid} did not answer within ${PATIENCE / 1_000} s` } }), PATIENCE)
      const settle = (answer: Answer) => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        if ("error" in answer) reject(new RemoteError(answer.error.code, answer.error.message))
        else resolve(answer.result)
      }
      this.#waiting.set(id, settle)
      this.#socket.write(`${JSON.stringify(message(id))}\n`)
    })
  }

  #take(line: Record<string, unknown>): void {
    if ("event" in line || "gap" in line) this.#hear(line as unknown as Told | { gap: number })
    else if (typeof line.id === "number") this.#waiting.get(line.id)?.(line as Answer)
  }

  #lost(): void {
    for (const settle of this.#waiting.values()) settle({ error: { code: "cli.remote", message: `the instance ${this.instance.pid} has ended` } })
  }
}

/** The newest instance of this home other than this process, or the one of a pid. */
export async function attach(graft: Graft, pid?: number): Promise<Remote | undefined> {
  const others = (await graft.server.instances()).filter((instance) => instance.pid !== process.pid && (pid === undefined || instance.pid === pid))
  return others[0] && new Remote(others[0])
}

/** What can be asked and told about plugins, wherever they run. */
export interface Inspection extends Disposable {
  /** Absent: nothing runs, and this process looked at the same plugins for itself. */
  instance?: Instance
  remote?: Remote
  inspect(): Promise<KernelView>
  journal(plugin?: string): Promise<JournalEntry[]>
  logs(plugin?: string): Promise<LogEntry[]>
  reconcile(hints: readonly string[]): Promise<void>
  undo(plugin: string): Promise<void>
}

export async function inspection(graft: Graft, directory: string): Promise<Inspection> {
  const remote = await attach(graft)
  if (!remote) {
    const project = await graft.at(directory)
    await comeUp(graft)
    const { kernel } = graft
    return {
      inspect: async () => kernel.inspect(), journal: async (plugin) => kernel.journal(plugin), logs: async (plugin) => kernel.logs(plugin),
      reconcile: (hints) => kernel.reconcile(hints), undo: (plugin) => kernel.undo(plugin),
      [Symbol.dispose]: () => project[Symbol.dispose](),
    }
  }
  const verb = <T>(method: string, ...args: unknown[]) => remote.call<T>({ service: "kernel", method, args })
  return {
    instance: remote.instance, remote,
    inspect: () => verb("inspect"), journal: (plugin) => verb("journal", ...(plugin ? [plugin] : [])), logs: (plugin) => verb("logs", ...(plugin ? [plugin] : [])),
    reconcile: (hints) => verb("reconcile", hints), undo: (plugin) => verb("undo", plugin),
    [Symbol.dispose]: () => remote[Symbol.dispose](),
  }
}
