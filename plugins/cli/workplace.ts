/** Where the work of a command is done: in this process, or by the instance that serves this home. */
import type { Graft } from "graft"
import type { EventLog, StoredEvent } from "../eventlog/contract.ts"
import type { Instance } from "../server/contract.ts"
import type { Sessions } from "../session/contract.ts"
import { Remote } from "./remote.ts"

type Delta = { session: string; message: string; part: string; kind: "text" | "reasoning"; text: string }

export interface Workplace {
  readonly retiring: AbortSignal
  readonly session: Pick<Sessions, "get" | "list" | "create" | "update" | "prompt" | "run" | "wait" | "interrupt" | "events">
  readonly eventlog: Pick<EventLog, "head">
  on(event: "message.part.delta", hear: (delta: Delta) => void): () => void
}

/** Undefined: nobody serves this home. */
export async function resident(graft: Pick<Graft, "server">): Promise<Instance | undefined> {
  return (await graft.server.instances()).find(({ url, successor, pid }) => url !== undefined && !successor && pid !== process.pid)
}

export interface Elsewhere extends Workplace, Disposable { readonly remote: Remote }

export function elsewhere(graft: Pick<Graft, "retiring">, instance: Instance): Elsewhere {
  const remote = new Remote(instance)
  const call = <T>(service: string, method: string, args: readonly unknown[], patience?: number) => remote.call<T>({ service, method, args }, patience)
  const left = new AbortController()
  return {
    remote,
    retiring: graft.retiring,
    session: {
      get: (id) => call("session", "get", [id]),
      list: (query = {}) => call("session", "list", [query]),
      create: (init) => call("session", "create", [init]),
      update: (id, change) => call("session", "update", [id, change]),
      prompt: (input) => call("session", "prompt", [input]),
      run: (id) => call("session", "run", [id]),
      wait: (id) => call("session", "wait", [id], Infinity),
      interrupt: (id, reason) => call("session", "interrupt", [id, reason]),
      events: (id, options = {}) => remote.stream<StoredEvent>({ service: "session", method: "events", args: [id, options] }),
    },
    eventlog: { head: (aggregate) => call("eventlog", "head", [aggregate]) },
    on(event, hear) {
      const stop = new AbortController()
      void (async () => { for await (const told of remote.events({ events: [event] }, AbortSignal.any([stop.signal, left.signal]))) if ("event" in told) hear(told.payload as Delta) })().catch(() => {})
      return () => stop.abort()
    },
    [Symbol.dispose]() {
      left.abort()
      remote[Symbol.dispose]()
    },
  }
}
