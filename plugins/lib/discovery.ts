/**
 * The models that a provider is asked for: when somebody looks for models, when one is wanted that is not known, and when
 * a request failed in a way that says that what is known is wrong; never by the clock, and never at a start. What was
 * found is state, so that a reload asks nobody.
 */
import { isDeepStrictEqual } from "node:util"
import type { Graft } from "graft"
import { rowsOf } from "./listed-rows.ts"
import type { Listed } from "./model-listing.ts"

/** What was found last. Absent: nobody has asked. */
export interface DiscoveryState { found?: readonly Listed[] }

export interface Discovered {
  provider: string
  /** On this machine: asked also before the demo is taken. */
  near?: boolean
  /** Nobody asks one that cannot answer. */
  ready(): boolean | Promise<boolean>
  /** Undefined: nobody is there. Rejects when what is there does not say. */
  ask(signal: AbortSignal): Promise<readonly Listed[] | undefined>
  /** Told what there is now, whenever that has changed; undefined when it is not there. */
  show?(found: readonly Listed[] | undefined, problem: string | undefined): void
}

/** Belongs in setup. */
export function discover(graft: Graft<DiscoveryState>, { provider, near = false, ready, ask, show }: Discovered): { seek(): Promise<void>; anew(): Promise<void> } {
  let { found } = graft.state.value
  let problem: string | undefined
  let live = false
  let asking: Promise<void> | undefined

  let withdraw = () => {}
  const tell = () => {
    show?.(found, problem)
    const before = withdraw
    withdraw = graft.add("model", rowsOf(provider, found ?? []))
    before()
  }
  const keep = () => {
    if (live && !graft.retiring.aborted && !isDeepStrictEqual(graft.state.value.found, found)) graft.state.update(() => (found ? { found } : {}))
  }
  const work = async (): Promise<void> => {
    if (!(await ready())) return
    const before = { found, problem }
    try {
      found = await ask(graft.signal)
      problem = undefined
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
    }
    if (graft.retiring.aborted || isDeepStrictEqual(before, { found, problem })) return
    keep()
    tell()
  }
  const seek = (): Promise<void> => (asking ??= work().finally(() => { asking = undefined }))
  // Who was asked before the way there was another one gives yesterday's answer.
  const anew = async (): Promise<void> => {
    await asking
    await seek()
  }

  tell()
  graft.onCommit(() => {
    live = true
    keep()
  })
  graft.add("modelSource", { provider, near, seek })
  graft.on("llm.failed", (failure) => { if (failure.provider === provider && (failure.code === "llm.network" || failure.status === 404)) void seek() })
  return { seek, anew }
}
