/** The way out of quarantine while the process runs: other bytes, or a word of pardon from another terminal. */
import type { Graft } from "graft"
import { directoryOf, quarantined, type Quarantined } from "../lib/quarantine.ts"

export class Quarantine {
  readonly #graft: Graft
  readonly #data: string
  #held: readonly Quarantined[] = []
  #looked = false

  constructor(graft: Graft, data: string) {
    this.#graft = graft
    this.#data = data
  }

  /** Who is in it is asked about its files, and about the markers. */
  begin(): void {
    if (this.#looked) return
    this.#looked = true
    this.#held = quarantined(this.#data)
    if (this.#held.length === 0) return
    const paths = [directoryOf(this.#data), ...this.#held.flatMap(({ files }) => files)]
    this.#graft.add("watched", paths.map((path) => ({ id: `quarantine ${path}`, path })))
  }

  async look(): Promise<void> {
    if (this.#held.length === 0) return
    const still = new Set(quarantined(this.#data).map(({ file }) => file))
    const free = this.#held.filter(({ file }) => !still.has(file))
    this.#held = this.#held.filter(({ file }) => still.has(file))
    for (const { file } of free) await this.#graft.kernel.enable(file)
  }
}
