/**
 * Asks that wait for a person. They live in the plugin's state, so a reload in the middle of a question neither
 * loses nor repeats it: the waiting call ends with `Moved`, its handle calls again, and joins the same ask by its id.
 */
import { createHash } from "node:crypto"
import { Moved } from "graft"
import type { Decided, PendingAsk, PermissionAsk } from "./contract.ts"

/** An answer, with what was said to it. */
export interface Said { reply: Decided; said?: string }
type Kept = PendingAsk & { answer?: Said }
export interface AskState { pending: Record<string, Kept> }
export type End = Said | "interrupted" | "unanswered"
interface Cell { readonly value: AskState; update(recipe: (draft: AskState) => void): void }

/** The same question of the same call is the same ask. */
export const askId = (ask: PermissionAsk): string =>
  `ask_${createHash("sha256").update(JSON.stringify([ask.session, ask.call, ask.action, ask.resource, ask.directory])).digest("hex").slice(0, 16)}`

export class Asks {
  readonly #state: Cell
  readonly #retiring: AbortSignal
  readonly #waiters = new Map<string, Set<(end: End | Moved) => void>>()

  constructor(state: Cell, retiring: AbortSignal) {
    this.#state = state
    this.#retiring = retiring
    retiring.addEventListener("abort", () => { for (const id of this.#waiters.keys()) this.#wake(id, new Moved()) }, { once: true })
  }

  list(): PendingAsk[] {
    return Object.values(this.#state.value.pending).filter((ask) => ask.answer === undefined)
  }

  /** Ids come from outside: the words that every object has are none. */
  get(id: string): Kept | undefined {
    const { pending } = this.#state.value
    return Object.hasOwn(pending, id) ? pending[id] : undefined
  }

  /** Puts the question; `false` when it stands already. */
  open(ask: PendingAsk): boolean {
    if (this.get(ask.id)) return false
    this.#state.update((draft) => { draft.pending[ask.id] = ask })
    return true
  }

  /** Waits for a person: no deadline, ends with the signal. */
  wait(id: string, signal?: AbortSignal): Promise<End> {
    if (this.#retiring.aborted) return Promise.reject(new Moved())
    const ask = this.get(id)
    if (!ask) return Promise.resolve("unanswered")
    const { answer } = ask
    if (answer) return Promise.resolve(this.#finish(id, answer))
    if (signal?.aborted) return Promise.resolve(this.#finish(id, "interrupted"))
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(id) ?? new Set()
      this.#waiters.set(id, waiters)
      const interrupted = () => wake("interrupted")
      const wake = (end: End | Moved) => {
        waiters.delete(wake)
        signal?.removeEventListener("abort", interrupted)
        if (end instanceof Moved) reject(end)
        else resolve(waiters.size === 0 ? this.#finish(id, end) : end)
      }
      waiters.add(wake)
      signal?.addEventListener("abort", interrupted, { once: true })
    })
  }

  /** Answers an ask, once; kept until its waiter, perhaps still on its way from the generation before, has fetched it. False when it is not open. */
  end(id: string, end: End): boolean {
    const ask = this.get(id)
    if (!ask || ask.answer !== undefined) return false
    if (this.#waiters.get(id)?.size) this.#wake(id, end)
    else if (typeof end === "object") this.#state.update((draft) => { draft.pending[id]!.answer = end })
    else this.#finish(id, end)
    return true
  }

  /** The last face that could answer is gone. */
  abandon(): void {
    for (const ask of this.list()) this.end(ask.id, "unanswered")
  }

  /** The question is settled without its answer. */
  drop(id: string): void {
    if (this.get(id) && !this.#waiters.get(id)?.size) this.#finish(id, "unanswered")
  }

  #finish(id: string, end: End): End {
    this.#waiters.delete(id)
    this.#state.update((draft) => { delete draft.pending[id] })
    return end
  }

  #wake(id: string, end: End | Moved): void {
    for (const wake of this.#waiters.get(id) ?? []) wake(end)
  }
}
