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
import { point } from "../lib/crash.ts"
import type { Json } from "../eventlog/contract.ts"
import type { SessionFacts } from "../session/contract.ts"
import type { Settlement, ToolCall, ToolSet } from "../tool/contract.ts"
import type { Ledger } from "./ledger.ts"
import type { CallFact } from "./state.ts"

const BESIDE_EACH_OTHER = 16
/** What a tool may take to come back with what it has, once it is told to stop. */
const GRACE = "900 millis"

export interface CallsOf { graft: Pick<Graft, "emit" | "job" | "log">; ledger: Ledger; tools: ToolSet; message: string; /** Ends every call. */ signal: AbortSignal }
export interface Calls {
  /** `left`: an owner died over it. */
  start(call: ToolCall, left?: CallFact): void
  /** Ends these calls: the reply no longer holds them. */
  drop(calls: readonly string[]): void
  /** Resolves when every call that was started is settled. */
  join(): Promise<void>
  close(): Promise<void>
}

type Settled = Omit<SessionFacts["tool.settled"], "message" | "call">
/** `opened`: the work goes on as this job. */
interface Ending { settled: Settled; opened?: SessionFacts["job.opened"] }

export async function openCalls({ graft, ledger, tools, message, signal }: CallsOf): Promise<Calls> {
  const scope = Scope.makeUnsafe()
  const fibers = await Effect.runPromise(FiberSet.make<void>().pipe(Scope.provide(scope)))
  const fork = await Effect.runPromise(FiberSet.runtime(fibers)())
  const permits = Semaphore.makeUnsafe(BESIDE_EACH_OTHER)
  const dropped = new Map<string, AbortController>()

  function settle(call: ToolCall, left?: CallFact): Effect.Effect<void> {
    const drop = new AbortController()
    const stop = AbortSignal.any([signal, drop.signal])
    dropped.set(call.id, drop)
    const replies = new Map(left?.replies)
    const before = left?.state === "started"
    let started = before
    let begun = false
    let waited = false
    const status = (status: "waiting" | "running") => {
      waited = status === "waiting"
      graft.emit("session.status", { session: call.session, status })
    }
    const begin = async (plan?: Json) => {
      stop.throwIfAborted()
      if (before) ledger.tell("tool.restarted", { message, call: call.id })
      else ledger.tell("tool.started", { message, call: call.id, ...(plan !== undefined && { plan }) })
      started = begun = true
      await ledger.commit()
      point("effect.before")
      if (waited) status("running")
    }
    const run = async (): Promise<Ending> => {
      if (stop.aborted) return { settled: notStarted() }
      try {
        const settlement = await tools.settle(call, {
          signal: stop,
          started: begin,
          known: (ask) => replies.get(ask),
          async waiting({ id: ask, action, resource }) {
            ledger.tell("tool.asked", { message, call: call.id, ask, action, resource })
            await ledger.commit()
            status("waiting")
          },
          async replied(ask, reply) {
            ledger.tell("tool.replied", { message, call: call.id, ask, reply })
            await ledger.commit()
          },
          progress: (update) => graft.emit("tool.progress", { session: call.session, call: call.id, ...update }),
        })
        if (begun) point("effect.after")
        if (left && !begun && GONE.has(settlement.outcome)) return { settled: gone(settlement, before) }
        const opened = settlement.job && (await graft.job.opening(call.session, settlement.job, { message, call: call.id }))
        return { settled: settledOf(settlement), ...(opened && { opened }) }
      } catch (error) {
        if (stop.aborted) return { settled: started ? gaveUp() : notStarted() }
        return { settled: { outcome: "error", output: `The tool could not be run: ${error instanceof Error ? error.message : String(error)}` } }
      }
    }
    const stopped = Effect.callback<void>((resume) => {
      const ring = () => resume(Effect.void)
      if (stop.aborted) return ring()
      stop.addEventListener("abort", ring, { once: true })
      return Effect.sync(() => stop.removeEventListener("abort", ring))
    })
    const patience = stopped.pipe(Effect.andThen(Effect.sleep(GRACE)), Effect.map((): Ending => ({ settled: started ? gaveUp() : notStarted() })))
    return Effect.promise(run).pipe(
      Effect.raceFirst(patience),
      permits.withPermits(1),
      Effect.map(({ settled, opened }) => {
        ledger.tell("tool.settled", { message, call: call.id, ...settled })
        // In the same commit: a job that the model was told of is there, and one that is there it was told of.
        if (opened) {
          ledger.tell("job.opened", opened)
          void ledger.commit().then(() => graft.job.start(opened.job)).catch((error: unknown) => graft.log.warn(`job ${opened.job} was not started:`, error))
        }
        if (waited) status("running")
      }),
    )
  }

  return {
    start: (call, left) => void fork(settle(call, left)),
    drop: (calls) => { for (const call of calls) dropped.get(call)?.abort() },
    join: () => Effect.runPromise(FiberSet.awaitEmpty(fibers)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
  }
}

const gaveUp = (): Settled => ({ outcome: "interrupted", output: "Interrupted while it ran; it may have taken effect in part." })
/** The tool that the model saw is not there any more, or takes other arguments. */
const GONE: ReadonlySet<string> = new Set(["unknown-tool", "invalid"])
const gone = ({ output }: Settlement, before: boolean): Settled =>
  ({ outcome: before ? "unknown" : "not-started", output: `The process stopped ${before ? "while this ran; whether it took effect is not known" : "before this started: nothing was done"}. It cannot be made again as it was: ${output}` })
const notStarted = (): Settled => ({ outcome: "not-started", output: "Interrupted before it started: nothing was done." })

function settledOf({ outcome, output, title, metadata, rule, truncated, bytes, blob, files, milliseconds }: Settlement): Settled {
  return {
    outcome, output, milliseconds: Math.round(milliseconds),
    ...(title && { title }), ...(rule && { rule }), ...(blob && { blob, bytes }), ...(truncated && { truncated }), ...(files && { files: [...files] }), ...(metadata && { metadata }),
  }
}
