/**
 * What the process holds, with the line that made it: timers, servers, sockets, watchers, children, workers, listeners of
 * the process, globals and environment. What grows while a plugin comes and goes is what the plugin leaves behind.
 */
import { createHook } from "node:async_hooks"
import { readdirSync } from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { turns } from "./clock.ts"

/** By the name that Node has for it: what people call it, and what to do instead of leaving it. */
const HANDLES: Readonly<Record<string, { name: string; change: string }>> = {
  Timeout: { name: "timer", change: "use graft.every or graft.timeout: they start at the commit and stop with the plugin" },
  TCPSERVERWRAP: { name: "TCP server", change: "open it with graft.keep(name, key, acquire, release): the next generation takes it over, the last one closes it" },
  PIPESERVERWRAP: { name: "socket server", change: "open it with graft.keep(name, key, acquire, release): the next generation takes it over, the last one closes it" },
  UDPWRAP: { name: "UDP socket", change: "open it with graft.keep(name, key, acquire, release), or close it in graft.defer" },
  TCPWRAP: { name: "TCP connection", change: "end it in graft.defer, or give its request graft.signal" },
  FSEVENTWRAP: { name: "file watcher", change: "close it in graft.defer" },
  STATWATCHER: { name: "file watcher", change: "end it in graft.defer (unwatchFile)" },
  PROCESSWRAP: { name: "child process", change: "end it in graft.defer, or start it with { signal: graft.signal }" },
  WORKER: { name: "worker thread", change: "terminate it in graft.defer" },
}

export interface Held { kind: string; change: string; /** Its stack says where it was made. */ origin?: Error }
export interface Growth { kind: string; change: string; count: number; origin?: Error }

export class Audit implements Disposable {
  readonly #alive = new Map<number, Held>()
  readonly #hook = createHook({
    init: (id, type) => {
      const handle = HANDLES[type]
      if (handle) this.#alive.set(id, { kind: handle.name, change: handle.change, origin: new Error(handle.name) })
    },
    destroy: (id) => void this.#alive.delete(id),
  })
  readonly #limit = Error.stackTraceLimit

  constructor() {
    Error.stackTraceLimit = 40
    this.#hook.enable()
  }

  /** Everything held now; what is garbage counts, until it is collected. */
  count(): Map<string, Held[]> {
    const found = new Map<string, Held[]>()
    const add = (key: string, held: Held) => void (found.get(key)?.push(held) ?? found.set(key, [held]))
    for (const held of this.#alive.values()) add(`${held.kind} ${placeIn(held.origin!)}`, held)
    for (const event of process.eventNames()) for (let left = process.listenerCount(event); left > 0; left--) add(`process.on ${String(event)}`, { kind: `listener of the process (${String(event)})`, change: `take it off in graft.defer: process.off("${String(event)}", …)` })
    for (const name of Object.getOwnPropertyNames(globalThis)) add("global", { kind: `global (${name})`, change: "keep it in graft.state, or provide it as a service: globals outlive every generation" })
    for (const name of Object.keys(process.env)) add("environment", { kind: `environment variable (${name})`, change: "give it to the one who needs it (shell.env, or env of spawn): the environment is everybody's" })
    for (const _file of openFiles()) add("open file", { kind: "open file", change: "close it, e.g. with `await using`, or in graft.defer" })
    return found
  }

  [Symbol.dispose](): void {
    this.#hook.disable()
    Error.stackTraceLimit = this.#limit
  }
}

function growth(before: ReadonlyMap<string, Held[]>, after: ReadonlyMap<string, Held[]>): Growth[] {
  return [...after].flatMap(([key, held]) => {
    const count = held.length - (before.get(key)?.length ?? 0)
    const { kind, change, origin } = held.at(-1)!
    return count > 0 ? [{ kind, change, count, ...(origin && { origin }) }] : []
  }).sort((a, b) => b.count - a.count)
}

/** Where the system tells. */
function openFiles(): string[] {
  try { return readdirSync("/proc/self/fd") } catch { return [] }
}

let gc: (() => void) | undefined

/** What grew since, at least by so much. Collecting takes its time, and is spared whom nothing would be said of. */
export async function grown(audit: Audit, before: ReadonlyMap<string, Held[]>, matters: (growth: Growth) => boolean): Promise<Growth[]> {
  const look = () => growth(before, audit.count()).filter(matters)
  if (look().length === 0) return []
  await collect()
  return look()
}

/** Twice, with the loop in between: what the first pass frees tells Node, and the second frees what that held. */
export async function collect(): Promise<void> {
  if (!gc) {
    setFlagsFromString("--expose_gc")
    gc = runInNewContext("gc") as () => void
  }
  for (let pass = 0; pass < 2; pass++) {
    gc()
    await turns()
  }
}

/** The frames that are nobody's but the maker's. */
const placeIn = ({ stack = "" }: Error): string => stack.split("\n").slice(1).filter((line) => !line.includes("node:") && !line.includes("audit.ts")).slice(0, 3).join("|")
