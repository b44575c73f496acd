/** The hooks that are wanted now, each at its place: where there are none, nothing listens. */
import type { Graft } from "graft"
import type { Leash } from "../lib/leash.ts"
import type { Running } from "./running.ts"
import type { HooksState } from "./seen.ts"
import type { Wanted } from "./wanted.ts"

export class Hooked {
  readonly #graft: Graft<HooksState>
  readonly #leash: Leash
  readonly #wanted: Wanted
  #running: Running | undefined
  #removes: (() => void)[] = []
  #shown = "[]"
  #looking: Promise<void> = Promise.resolve()

  constructor(graft: Graft<HooksState>, leash: Leash, wanted: Wanted) {
    this.#graft = graft
    this.#leash = leash
    this.#wanted = wanted
  }

  /** One look after the other, so that the last one counts. */
  look(): Promise<void> { return (this.#looking = this.#looking.catch(() => {}).then(() => this.#look())) }

  async #look(): Promise<void> {
    const hooks = await this.#wanted.look()
    if (JSON.stringify(hooks) === this.#shown || this.#graft.retiring.aborted) return
    const places = hooks.length > 0 ? await Promise.all([import("./running.ts"), import("./calls.ts"), import("./talk.ts")]) : undefined
    // In one step: there is no moment without those that stay.
    for (const remove of this.#removes.splice(0)) remove()
    this.#running = undefined
    if (places) {
      const [{ Running }, { joinCalls }, { joinTalk }] = places
      this.#running = new Running(this.#graft, this.#leash, hooks)
      this.#removes = [...joinCalls(this.#graft, this.#running), ...joinTalk(this.#graft, this.#running)]
    }
    this.#shown = JSON.stringify(hooks)
  }

  /** A generation ends with its project, or for a younger one that goes on. */
  async end(): Promise<void> {
    if (!this.#running?.has("SessionEnd")) return
    const goesOn = this.#graft.state.value.gen > this.#graft.gen
    if (!goesOn) await (await import("./talk.ts")).tellEnds(this.#graft, this.#running)
  }
}
