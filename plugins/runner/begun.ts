/** A conversation only grows, so what was made of it is gone on from: a turn costs what is new in it, not all that came before. */

/** What was made of the items before. Kept as long as the first of them lives. */
export interface Begun<Item, Made> { items: readonly Item[]; made: Made }

export class Beginnings<Item extends object, Made> {
  readonly #known = new WeakMap<Item, Begun<Item, Made>>()

  /** What was made of the longest run of these items that is known, as long as all of it is in front of them. */
  of(items: readonly Item[]): Begun<Item, Made> | undefined {
    const known = items[0] && this.#known.get(items[0])
    if (!known || known.items.length > items.length) return undefined
    for (let n = 0; n < known.items.length; n++) if (known.items[n] !== items[n]) return undefined
    return known
  }

  keep(items: readonly Item[], made: Made): void {
    if (items[0]) this.#known.set(items[0], { items, made })
  }
}
