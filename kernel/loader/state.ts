/** The state cell of a unit: in memory, checked by its schema, migrated inside the commit, so that no update is lost. */
import { freeze, produce } from "immer"
import { validate } from "../bus/validate.ts"
import { KernelError } from "../errors.ts"
import type { StateCell, StateDefinition } from "../instance.ts"
import type { Generation } from "./generation.ts"
import type { Unit } from "./unit.ts"

interface Cell { version: number; value: unknown }

export class StateHolder {
  readonly #unit: Unit
  #cell: Cell | undefined
  #previews = new WeakMap<Generation, Cell>()

  constructor(unit: Unit) { this.#unit = unit }

  /** What the candidate will find, as things stand now. */
  stage(generation: Generation): void {
    if (generation.definition.state) this.#previews.set(generation, this.#next(generation))
  }

  /** Inside the commit, on the latest value. Gives what was before, for `restore`. */
  migrate(generation: Generation): Cell | undefined {
    const previous = this.#cell
    if (generation.definition.state) this.#cell = this.#next(generation)
    return previous
  }

  restore(previous: Cell | undefined): void { this.#cell = previous }

  #next(generation: Generation): Cell {
    const definition = generation.definition.state as StateDefinition<unknown>
    const { version, schema } = definition
    const from = this.#cell
    const what = `state of ${this.#unit.id}`
    if (from && from.version !== version && !definition.migrate) throw new KernelError("Invalid", `${what}: version ${from.version} → ${version} needs a migrate(old, from)`)
    const value = from?.version === version ? from.value : generation.evaluation.leg(what, () => (from ? definition.migrate!(from.value, from.version) : definition.init()))
    const checked = validate(schema, value)
    if (!checked.ok) throw new KernelError("Invalid", `${what}: ${checked.message}`)
    return { version, value: freeze(value, true) }
  }

  view(generation: Generation): StateCell<unknown> {
    const current = () => (generation.state === "staged" ? this.#previews.get(generation) : this.#cell)
    return {
      get value() {
        const cell = current()
        if (!cell) throw new KernelError("Invalid", `${generation.unit.id} declares no state`)
        return cell.value
      },
      update: (recipe) => this.#update(generation, recipe as never),
    }
  }

  #update(generation: Generation, recipe: (draft: unknown) => unknown): void {
    const { id } = this.#unit
    const definition = generation.definition.state as StateDefinition<unknown> | undefined
    if (!definition) throw new KernelError("Invalid", `${id} declares no state`)
    if (generation.state === "staged") throw new KernelError("NotLive", "state is updated from commit on, not in setup")
    if (this.#cell?.version !== definition.version) throw new KernelError("Retired", `${generation.name}: the state has moved on to version ${this.#cell?.version}`)
    const next: unknown = produce(this.#cell.value, recipe)
    const checked = validate(definition.schema, next)
    if (!checked.ok) throw new KernelError("Invalid", `state of ${id}: ${checked.message}`)
    this.#cell = { version: definition.version, value: freeze(next, true) }
  }
}
