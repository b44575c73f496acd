/** The state cell of a unit: in memory, checked by its schema, migrated inside the commit, so that no update is lost. */
import { freeze, produce } from "immer"
import { validate } from "../bus/validate.ts"
import { KernelError } from "../errors.ts"
import type { StateCell, StateDefinition } from "../instance.ts"
import type { Generation } from "./generation.ts"

interface Cell { readonly version: number; readonly value: unknown }

export class StateHolder {
  #cell: Cell | undefined
  readonly #previews = new WeakMap<Generation, Cell>()

  /** What the candidate will find, as things stand now. */
  stage(generation: Generation): void {
    if (generation.definition.state) this.#previews.set(generation, this.#next(generation))
  }

  /** Inside the commit, on the latest value. Gives back what was before, if the commit is. */
  migrate(generation: Generation): () => void {
    const previous = this.#cell
    if (generation.definition.state) this.#cell = this.#next(generation)
    return () => { this.#cell = previous }
  }

  #next(generation: Generation): Cell {
    const definition = definitionOf(generation)
    const from = this.#cell
    if (from?.version === definition.version) return checked(generation, from.value)
    const what = `state of ${generation.unit.id}`
    if (from && !definition.migrate) throw new KernelError("Invalid", `${what}: version ${from.version} → ${definition.version} needs a migrate(old, from)`)
    return checked(generation, generation.evaluation.leg(what, () => (from ? definition.migrate!(from.value, from.version) : definition.init())))
  }

  view(generation: Generation): StateCell<unknown> {
    const cell = () => (definitionOf(generation), generation.state === "staged" ? this.#previews.get(generation) : this.#cell)
    return {
      get value() { return cell()?.value },
      update: (recipe) => {
        const { version } = definitionOf(generation)
        if (generation.state === "staged") throw new KernelError("NotLive", "state is updated from commit on, not in setup")
        if (this.#cell?.version !== version) throw new KernelError("Retired", `${generation.name}: the state has moved on to version ${this.#cell?.version}`)
        this.#cell = checked(generation, produce(this.#cell.value, recipe as (draft: unknown) => unknown))
      },
    }
  }
}

function definitionOf({ definition, unit }: Generation): StateDefinition<unknown> {
  if (!definition.state) throw new KernelError("Invalid", `${unit.id} declares no state`)
  return definition.state
}

function checked(generation: Generation, value: unknown): Cell {
  const { version, schema } = definitionOf(generation)
  validate(schema, value, `state of ${generation.unit.id}: `)
  return { version, value: freeze(value, true) }
}
