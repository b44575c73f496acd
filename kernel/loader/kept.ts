/** Kept resources: acquired once, handed from generation to generation while their key stays, released after the last one closed. */
import { BOUNDS } from "../clock.ts"
import { KernelError } from "../errors.ts"
import type { Generation } from "./generation.ts"

type Release = (resource: never) => void | Promise<void>
/** Each holder brings its own way to release: that of the last one counts. `abandon`: it waits for a commit that may never come. */
interface Entry { id: string; name: string; key: string; resource: Promise<unknown>; holders: Map<Generation, Release>; abandon?: () => void }

export class Kept {
  readonly #entries = new Map<string, Entry>()

  names(): string[] { return [...this.#entries.values()].map(({ name, key }) => `${name} ${key}`) }

  async keep<R>(holder: Generation, name: string, key: string, acquire: () => R | Promise<R>, release: (resource: R) => void | Promise<void>, exclusive: boolean): Promise<R> {
    const id = JSON.stringify([name, key])
    let entry = this.#entries.get(id)
    if (!entry) {
      const rivals = exclusive && holder.state === "staged" ? [...this.#entries.values()].filter((other) => other.name === name) : []
      entry = { id, name, key, resource: Promise.resolve(), holders: new Map() }
      entry.resource = rivals.length ? this.#afterCommit(entry, holder, rivals, acquire) : Promise.resolve().then(acquire)
      this.#entries.set(id, entry)
      entry.resource.catch(() => this.#entries.delete(id))
    }
    entry.holders.set(holder, release)
    return entry.resource as Promise<R>
  }

  /** What cannot be held twice is acquired once its predecessor was released, at the commit. */
  #afterCommit(entry: Entry, holder: Generation, rivals: Entry[], acquire: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      entry.abandon = () => reject(new KernelError("Retired", `${holder.name} was never committed`))
      holder.arm(async () => {
        entry.abandon = undefined
        for (const rival of rivals) await this.#release(rival, [...rival.holders.values()].at(-1)!)
        const resource = Promise.resolve().then(acquire)
        resource.then(resolve, reject)
        await resource
      })
    })
  }

  async #release(entry: Entry, release: Release): Promise<void> {
    if (this.#entries.get(entry.id) !== entry) return
    this.#entries.delete(entry.id)
    await release((await entry.resource) as never)
  }

  /** A generation closed: what nobody holds any more is released, bounded; a failure is a fault of that generation. */
  async releaseOf(holder: Generation): Promise<void> {
    for (const entry of [...this.#entries.values()]) {
      const release = entry.holders.get(holder)
      if (!release || (entry.holders.delete(holder), entry.holders.size)) continue
      entry.abandon?.()
      if (entry.abandon) this.#entries.delete(entry.id)
      else await holder.finish(`release of ${entry.name}`, BOUNDS.finalizer, () => this.#release(entry, release))
    }
  }
}
