/**
 * `Headers` as far as a request of ours needs them: names in lower case and in order, the values of one name joined. The
 * global is a part of fetch, and comes with all of it, which costs a start 20 ms; the build puts this in its place in the
 * bundled SDKs.
 */
type Given = Iterable<readonly string[]> | Readonly<Record<string, string | readonly string[] | undefined>> | null

export class HeaderList {
  readonly #values = new Map<string, string>()

  constructor(given: Given = null) {
    const pairs = given === null ? [] : Symbol.iterator in given ? (given as Iterable<readonly string[]>) : Object.entries(given)
    for (const [name, value] of pairs) if (value !== undefined) this.append(name!, Array.isArray(value) ? value.join(", ") : String(value))
  }

  get(name: string): string | null { return this.#values.get(name.toLowerCase()) ?? null }
  has(name: string): boolean { return this.#values.has(name.toLowerCase()) }
  set(name: string, value: string): void { this.#values.set(name.toLowerCase(), value) }
  delete(name: string): void { this.#values.delete(name.toLowerCase()) }

  append(name: string, value: string): void {
    const before = this.get(name)
    this.set(name, before === null ? value : `${before}, ${value}`)
  }

  forEach(work: (value: string, name: string, list: this) => void): void { for (const [name, value] of this) work(value, name, this) }
  entries(): IterableIterator<[string, string]> { return [...this.#values].sort(([a], [b]) => (a < b ? -1 : 1)).values() }
  *keys(): IterableIterator<string> { for (const [name] of this) yield name }
  *values(): IterableIterator<string> { for (const [, value] of this) yield value }
  [Symbol.iterator](): IterableIterator<[string, string]> { return this.entries() }
}
