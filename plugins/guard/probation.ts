/** Probation: an edit that keeps throwing is undone. Counters only: nothing of a generation is held. */
import { messageOf, type Fault, type Graft, type PluginFact, type PluginView } from "graft"
import { before, sentence, verdict } from "./verdict.ts"

/** What the counters of a plugin showed when a generation took over; `next`: the fault at which it is looked at again. */
interface Trial { gen: number; calls: number; crashes: number; since: number; faults: number; next: number }

const FIRST_LOOK = 3

export class Probation {
  readonly #graft: Graft
  readonly #trials = new Map<string, Trial>()

  constructor(graft: Graft) { this.#graft = graft }

  /** Only what took the place of something is on trial: for the rest there is nothing better to go back to. */
  begin({ plugin, realm, gen }: PluginFact): void {
    const view = this.#view(plugin, realm)
    const live = view?.generations.find((each) => each.gen === gen)
    if (view && live) this.#trials.set(`${plugin} ${realm}`, { gen, calls: view.calls, crashes: view.crashes, since: live.since, faults: 0, next: FIRST_LOOK })
  }

  end({ plugin, realm }: PluginFact): void { this.#trials.delete(`${plugin} ${realm}`) }

  /** `at`: when the fault was told. */
  judge(fault: Fault, at: number): void {
    const { plugin, realm, gen } = fault
    const trial = this.#trials.get(`${plugin} ${realm}`)
    if (trial?.gen !== gen || ++trial.faults < trial.next) return
    trial.next = Math.ceil(trial.faults * 1.5)
    const view = this.#view(plugin, realm)
    const decided = view?.gen === gen ? verdict({ calls: view.calls - trial.calls, crashes: view.crashes - trial.crashes, age: at - trial.since }) : "passed"
    if (decided === "wait") return
    this.#trials.delete(`${plugin} ${realm}`)
    if (decided === "revert") this.#revert(fault, view!)
  }

  #revert(fault: Fault, { file }: PluginView): void {
    const { kernel, log, fork } = this.#graft
    const { plugin, realm } = fault
    const gen = before(kernel.journal(plugin).filter((entry) => entry.realm === realm))
    if (gen === undefined) return
    const location = realm === "root" ? undefined : realm
    fork(() => kernel.undo(plugin, sentence(fault, gen, file), location).catch((error: unknown) => log.warn(`${plugin} keeps throwing, and could not be reverted: ${messageOf(error)}`)))
  }

  #view(plugin: string, realm: string): PluginView | undefined {
    return this.#graft.kernel.inspect().realms.find(({ id }) => id === realm)?.plugins.find(({ id }) => id === plugin)
  }
}
