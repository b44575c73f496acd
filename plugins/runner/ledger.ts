/**
 * The one way by which a drain says that something happened: the fold sees it at once, the log gets it with the next
 * commit. Only what must be durable before the world changes is awaited (`commit`); everything told up to then joins it.
 * One append is in flight at a time, so a refused one refuses all that follow: the claim is lost, or the disk is full.
 */
import type { EventLog, Json, NewEvent } from "../eventlog/contract.ts"
import type { SessionFacts } from "../session/contract.ts"
import { point } from "../lib/crash.ts"
import { evolve, type State } from "./state.ts"

/** The transaction that an event belongs to, as sessions.md §2.3 counts them: several may share a commit. */
const TRANSACTION: { readonly [T in keyof SessionFacts]?: string } = {
  "session.claimed": "T2", "activity.opened": "T3", "session.input.promoted": "T4", "provider.attempt.prepared": "T5", "provider.attempt.dispatched": "T6",
  "message.part.appended": "T7", "provider.attempt.output": "T7", "tool.called": "T8", "tool.started": "T8", "tool.settled": "T9", "provider.attempt.settled": "T10",
  "activity.turn.settled": "T11", "activity.settled": "T12", "activity.parked": "T12", "session.compaction.started": "T14", "session.compaction.ended": "T14", "session.compaction.failed": "T14",
  "activity.interrupted": "T15", "activity.recovery.started": "T16", "provider.attempt.unknown": "T16", "tool.restarted": "T16", "provider.attempt.retry.scheduled": "retry", "tool.asked": "ask", "tool.replied": "reply", "session.moved": "move",
}
/** Milliseconds that what nobody waits for may wait for a commit that somebody does: a turn with calls costs two, not six. */
const SOON = 20
/** What may wait to be written before whoever makes more of it waits as well: events, and characters of them. */
const MOST_WAITING = 1_000
const MOST_CHARACTERS = 4_194_304

export interface Claim { session: string; location: string; owner: string; epoch: number }

export class Ledger {
  readonly state: State
  readonly #log: Pick<EventLog, "append">
  readonly #claim: Claim
  readonly #lost = new AbortController()
  /** The last event that was written here; and up to where the fold has all, also what others said. */
  seq: number
  seen: number
  #told: NewEvent[] = []
  /** Told and not yet on disk. */
  #waiting = { events: 0, characters: 0 }
  #tail: Promise<void> = Promise.resolve()
  #flush: NodeJS.Timeout | undefined
  #held = false

  constructor(log: Pick<EventLog, "append">, claim: Claim, state: State, seq: number) {
    this.seq = this.seen = seq
    this.#log = log
    this.#claim = claim
    this.state = state
  }

  /** Aborts with the log's refusal: nothing of this drain may go on. */
  get lost(): AbortSignal { return this.#lost.signal }

  tell<T extends keyof SessionFacts>(type: T, data: SessionFacts[T]): void {
    evolve(this.state, { type, data, created: Date.now() })
    this.#told.push({ type, data: data as Json })
    this.#waiting.events++
    if (type === "message.part.appended") this.#waiting.characters += (data as SessionFacts["message.part.appended"]).text.length
    this.#flush ??= setTimeout(() => {
      this.#flush = undefined
      if (!this.#held) this.commit().catch(() => {})
    }, SOON)
  }

  /** What others wrote, and the fold has to know: an admitted input's text. */
  witness<T extends keyof SessionFacts>(type: T, data: SessionFacts[T]): void { evolve(this.state, { type, data }) }

  /** A slow disk must not fill the memory: who reads what can be had later stops until this is false. */
  get crowded(): boolean { return this.#waiting.events >= MOST_WAITING || this.#waiting.characters >= MOST_CHARACTERS }

  /** From here on everything goes into one commit: an ending is whole, or is not. */
  hold(): void { this.#held = true }

  /** Resolves when everything told so far is on disk. */
  commit(): Promise<void> {
    this.#held = false
    clearTimeout(this.#flush)
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
    const { events: count, characters } = this.#waiting
    const { session, location, owner, epoch } = this.#claim
    const parts = new Set(events.flatMap(({ type }) => TRANSACTION[type as keyof SessionFacts] ?? []))
    for (const part of parts) point(`${part}.before`)
    const { first, last } = await this.#log.append({ aggregate: session, epoch, actor: `runtime:${owner}`, location, events })
    for (const part of parts) point(`${part}.after`)
    this.seq = last
    if (first === this.seen + 1) this.seen = last
    this.#waiting = { events: this.#waiting.events - count, characters: this.#waiting.characters - characters }
    events.forEach((event, n) => place(this.state, event, first + n))
  }
}

/** Where a message stands in the log is known once it is there. */
function place({ transcript }: State, { type, data }: NewEvent, seq: number): void {
  const { message, input, compaction } = data as { message?: string; input?: string; compaction?: string }
  const made = type === "message.created" ? message : type === "session.input.promoted" ? input : type === "session.compaction.ended" ? `${compaction}:summary` : undefined
  const found = made === undefined ? undefined : transcript.byId.get(made)
  if (found) found.seq = seq
}
