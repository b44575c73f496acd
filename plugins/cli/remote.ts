/** Looking into a running instance from here: the client of its socket, and the kernel as either of both offers it. */
import { connect, type Socket } from "node:net"
import type { Graft, JournalEntry, KernelView, LogEntry } from "graft"
import { LineReader } from "../lib/lines.ts"
import type { Call, ClientMessage, Instance, Subscribe, Told } from "../server/contract.ts"
import type { Profile } from "../doctor/contract.ts"
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

type Failure = { error: { code: string; message: string } }
type Answer = { result?: unknown } | Failure
type Step = { next: unknown } | { end: true } | Failure

export class Remote implements Disposable {
  readonly instance: Instance
  readonly #socket: Socket
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #streams = new Map<number, (step: Step) => void>()
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

  /** `patience` in milliseconds; `Infinity` only for what a person waits for. */
  async call<T>(call: Call, patience = PATIENCE): Promise<T> { return (await this.#say((id) => ({ id, call }), patience)) as T }

  /** What a method gives bit by bit, until it ends or nobody reads any more. */
  async *stream<T>(call: Call): AsyncGenerator<T> {
    const id = ++this.#id
    const steps: Step[] = []
    let wake = () => {}
    this.#streams.set(id, (step) => (steps.push(step), wake()))
    this.#socket.write(`${JSON.stringify({ id, call } satisfies ClientMessage)}\n`)
    try {
      for (;;) {
        const step = steps.shift()
        if (!step) await new Promise<void>((resolve) => { wake = resolve })
        else if ("error" in step) throw new RemoteError(step.error.code, step.error.message)
        else if ("end" in step) return
        else yield step.next as T
      }
    } finally {
      this.#streams.delete(id)
      if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify({ id: ++this.#id, cancel: id } satisfies ClientMessage)}\n`)
    }
  }

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

  #say(message: (id: number) => ClientMessage, patience = PATIENCE): Promise<unknown> {
    const id = ++this.#id
    return new Promise((resolve, reject) => {
      const timer = patience === Infinity ? undefined : setTimeout(() => settle({ error: { code: "cli.remote", message: `the instance ${this.instance.pid} did not answer within ${patience / 1_000} s` } }), patience)
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
    else if (typeof line.id === "number") (this.#streams.get(line.id) as ((step: object) => void) | undefined ?? this.#waiting.get(line.id))?.(line as Answer)
  }

  #lost(): void {
    const lost = { error: { code: "cli.remote", message: `the instance ${this.instance.pid} has ended` } }
    for (const settle of [...this.#waiting.values(), ...this.#streams.values()]) settle(lost)
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
  /** Also what follows from a pass: a plugin that belongs to a project moves there after it. */
  settled(): Promise<void>
  undo(plugin: string): Promise<void>
  pin(plugin: string, pinned: boolean): Promise<void>
  enable(plugin: string): Promise<void>
  disable(plugin: string, reason?: string): Promise<void>
  /** What the CPU did there, by plugin. */
  profile(milliseconds: number): Promise<Profile>
}

export async function inspection(graft: Graft, directory: string): Promise<Inspection> {
  const remote = await attach(graft)
  if (!remote) {
    const project = await graft.at(directory)
    await comeUp(graft)
    const { kernel } = graft
    return {
      inspect: async () => kernel.inspect(), journal: async (plugin) => kernel.journal(plugin), logs: async (plugin) => kernel.logs(plugin),
      reconcile: (hints) => kernel.reconcile(hints), settled: () => kernel.settled(PATIENCE), undo: (plugin) => kernel.undo(plugin), pin: async (plugin, pinned) => kernel.pin(plugin, pinned),
      enable: (plugin) => kernel.enable(plugin), disable: (plugin, reason) => kernel.disable(plugin, reason), profile: (milliseconds) => graft.doctor.profile({ milliseconds }),
      [Symbol.dispose]: () => project[Symbol.dispose](),
    }
  }
  const verb = <T>(method: string, ...args: unknown[]) => remote.call<T>({ service: "kernel", method, args })
  return {
    instance: remote.instance, remote,
    inspect: () => verb("inspect"), journal: (plugin) => verb("journal", ...(plugin ? [plugin] : [])), logs: (plugin) => verb("logs", ...(plugin ? [plugin] : [])),
    reconcile: (hints) => verb("reconcile", hints), settled: () => verb("settled", PATIENCE - 1_000), undo: (plugin) => verb("undo", plugin), pin: (plugin, pinned) => verb("pin", plugin, pinned),
    enable: (plugin) => verb("enable", plugin), disable: (plugin, ...reason) => verb("disable", plugin, ...reason), profile: (milliseconds) => remote.call({ service: "doctor", method: "profile", args: [{ milliseconds }] }),
    [Symbol.dispose]: () => remote[Symbol.dispose](),
  }
}
