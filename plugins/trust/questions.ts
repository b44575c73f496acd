/** Questions that wait for a person. They live in the plugin's state, so a reload neither loses nor repeats one; the first answer takes a question away. */
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import type { AdmitAsk } from "graft"
import type { TrustAsk } from "./contract.ts"

export interface QuestionState { pending: Record<string, TrustAsk> }
interface Cell { readonly value: QuestionState; update(recipe: (draft: QuestionState) => void): void }

const MOST = 200
/** Files that a question names; its digest is over all of them. */
const MOST_FILES = 1_000

/** The same bytes at the same place in the same project are the same question. */
export const askOf = ({ plugin, realpath, digest, files }: AdmitAsk, location: string): TrustAsk =>
  ({ id: `trust_${createHash("sha256").update(JSON.stringify([location, realpath, digest])).digest("hex").slice(0, 16)}`, location, plugin, realpath, digest, files: files.slice(0, MOST_FILES) })

export class Questions {
  readonly #state: Cell

  constructor(state: Cell) { this.#state = state }

  /** Those whose file is still there. */
  list(): TrustAsk[] { return Object.values(this.#state.value.pending).filter(({ realpath }) => existsSync(realpath)) }

  get(id: string): TrustAsk | undefined { return this.list().find((ask) => ask.id === id) }

  /** Puts a question; false when it stands already. */
  put(ask: TrustAsk): boolean {
    if (this.#state.value.pending[ask.id]) return false
    this.#state.update(({ pending }) => {
      pending[ask.id] = ask
      for (const id of Object.keys(pending).slice(0, -MOST)) delete pending[id]
    })
    return true
  }

  /** Whoever takes it is the one who answers it. */
  take(id: string): TrustAsk | undefined {
    return this.takeAll((ask) => ask.id === id)[0]
  }

  takeAll(which: (ask: TrustAsk) => boolean): TrustAsk[] {
    const taken = Object.values(this.#state.value.pending).filter(which)
    if (taken.length > 0) this.#state.update(({ pending }) => { for (const { id } of taken) delete pending[id] })
    return taken
  }
}
