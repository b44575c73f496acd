/**
 * The tool calls of one turn: started while the stream still runs, sixteen beside each other, each durable before its
 * effect, all settled before the next request, and on an interrupt all given up together. Loaded once a first request is
 * under way, because Effect is worth its weight here and nowhere earlier.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Graft } from "graft"
import type { SessionFacts } from "../session/contract.ts"
import type { Settlement, ToolCall, ToolSet } from "../tool/contract.ts"
import type { Ledger } from "./ledger.ts"

const BESIDE_EACH_OTHER = 16
/** What a tool may take to come back with what it has, once it is told to stop. */
const GRACE = "900 millis"

export interface CallsOf { graft: Pick<Graft, "emit">; ledger: Ledger; tools: ToolSet; message: string; /** Ends every call. */ signal: AbortSignal }
export interface Calls {
  start(call: ToolCall): void
  /** Ends these calls: the reply no longer holds them. */
  drop(calls: readonly string[]): void
  /** Resolves when every call that was started is settled. */
  join(): Promise<void>
  close(): Promise<void>
}

type Settled = Omit<SessionFacts["tool.settled"], "message" | "call">

export async function openCalls({ graft, ledger, tools, message, signal }: CallsOf): Promise<Calls> {
  const scope = Scope.makeUnsafe()
  const fibers = await Effect.runPromise(FiberSet.make<void>().pipe(Scope.provide(scope)))
  const fork = await Effect.runPromise(FiberSet.runtime(fibers)())
  const permits = Semaphore.makeUnsafe(BESIDE_EACH_OTHER)
  const dropped = new Map<string, AbortController>()

  function settle(call: ToolCall): Effect.Effect<void> {
    const drop = new AbortController()
    const stop = AbortSignal.any([signal, drop.signal])
    dropped.set(call.id, drop)
    let started = false
    let waited = false
    const status = (status: "waiting" | "running") => {
      waited = status === "waiting"
      graft.emit("session.status", { session: call.session, status })
    }
    const begin = async () => {
      stop.throwIfAborted()
      ledger.tell("tool.started", { message, call: call.id })
      started = true
      await ledger.commit()
      if (waited) status("running")
    }
    const run = async (): Promise<Settled> => {
      if (stop.aborted) return notStarted()
      try {
        return settledOf(await tools.settle(call, {
          signal: stop,
          started: begin,
          waiting: () => status("waiting"),
          progress: (update) => graft.emit("tool.progress", { session: call.session, call: call.id, ...update }),
        }))
      } catch (error) {
        if (stop.aborted) return started ? gaveUp() : notStarted()
        return { outcome: "error", output: `The tool could not be run: ${error instanceof Error ? error.message : String(error)}` }
      }
    }
    const stopped = Effect.callback<void>((resume) => {
      const ring = () => resume(Effect.void)
      if (stop.aborted) return ring()
      stop.addEventListener("abort", ring, { once: true })
      return Effect.sync(() => stop.removeEventListener("abort", ring))
    })
    const patience = stopped.pipe(Effect.andThen(Effect.sleep(GRACE)), Effect.map(() => (started ? gaveUp() : notStarted())))
    return Effect.promise(run).pipe(
      Effect.raceFirst(patience),
      permits.withPermits(1),
      Effect.map((settled) => {
        ledger.tell("tool.settled", { message, call: call.id, ...settled })
        if (waited) status("running")
      }),
    )
  }

  return {
    start: (call) => void fork(settle(call)),
    drop: (calls) => { for (const call of calls) dropped.get(call)?.abort() },
    join: () => Effect.runPromise(FiberSet.awaitEmpty(fibers)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  }
}

const gaveUp = (): Settled => ({ outcome: "interrupted", output: "Interrupted while it ran; it may have taken effect in part." })
const notStarted = (): Settled => ({ outcome: "not-started", output: "Interrupted before it started: nothing was done." })

function settledOf({ outcome, output, title, metadata, rule, truncated, bytes, blob, milliseconds }: Settlement): Settled {
  return {
    outcome, output, milliseconds: Math.round(milliseconds),
    ...(title && { title }), ...(rule && { rule }), ...(blob && { blob, bytes }), ...(truncated && { truncated }), ...(metadata && { metadata }),
  }
}
