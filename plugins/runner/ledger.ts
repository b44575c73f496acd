/**
 * The one way by which a drain says that something happened: the fold sees it at once, the log gets it with the next
 * commit. Only what must be durable before the world changes is awaited (`commit`); everything told up to then joins it.
 * One append is in flight at a time, so a refused one refuses all that follow: the claim is lost, or the disk is full.
 */
import type { EventLog, Json, NewEvent } from "../eventlog/contract.ts"
import type { SessionFacts } from "../session/contract.ts"
import { evolve, type State } from "./state.ts"

export interface Claim { session: string; location: string; owner: string; epoch: number }

export class Ledger {
  readonly state: State
  readonly #log: Pick<EventLog, "append">
  readonly #claim: Claim
  readonly #lost = new AbortController()
  #told: NewEvent[] = []
  #tail: Promise<void> = Promise.resolve()
  #flush: NodeJS.Immediate | undefined
  #held = false

  constructor(log: Pick<EventLog, "append">, claim: Claim, state: State) {
    this.#log = log
    this.#claim = claim
    this.state = state
  }

  /** Aborts with the log's refusal: nothing of this drain may go on. */
  get lost(): AbortSignal { return this.#lost.signal }

  tell<T extends keyof SessionFacts>(type: T, data: SessionFacts[T]): void {
    evolve(this.state, { type, data, created: Date.now() })
    this.#told.push({ type, data: data as Json })
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined
      if (!this.#held) this.commit().catch(() => {})
    })
  }

  /** What others wrote, and the fold has to know: an admitted input's text. */
  witness<T extends keyof SessionFacts>(type: T, data: SessionFacts[T]): void { evolve(this.state, { type, data }) }

  /** From here on everything goes into one commit: an ending is whole, or is not. */
  hold(): void { this.#held = true }

  /** Resolves when everything told so far is on disk. */
  commit(): Promise<void> {
    this.#held = false
    if (this.#flush) clearImmediate(this.#flush)
    this.#flush = undefined
    if (this.#told.length > 0) {
      this.#tail = this.#tail.then(() => this.#append())
      this.#tail.catch((error: unknown) => this.#lost.abort(error))
    }
    return this.#tail
  }

  async #append(): Promise<void> {
    const events = this.#told.splice(0)
    if (events.length === 0) return
    const { session, location, owner, epoch } = this.#claim
    await this.#log.append({ aggregate: session, epoch, actor: `runtime:${owner}`, location, events })
  }
}
