/**
 * The desk on which one file of another program is taken apart: whatever stands in it is moved to a place in Graft's
 * config, or left with a reason. Nothing can be forgotten: what nobody touched is left as unknown. Pure.
 */
import { formatKeys, isTree, valueAt, withValue, type Keys, type Tree } from "../lib/tree.ts"

export interface Moved { readonly from: Keys; readonly to: Keys; readonly note?: string; /** It holds where it is, and is not written elsewhere. */ readonly secret?: boolean }
export interface Left { readonly from: Keys; readonly reason: string; /** The plugin that reads it where it is. */ readonly reader?: string; /** Nothing is lost: it needs no home. */ readonly implied?: true }
export interface Converted { readonly tree: Tree; readonly moved: readonly Moved[]; readonly left: readonly Left[] }

/** What is expected of a value, and the value if that is what it is. */
export interface Kind<T> { readonly name: string; of(value: unknown): T | undefined }
export const text: Kind<string> = { name: "a text", of: (value) => (typeof value === "string" && value.trim() !== "" ? value : undefined) }
export const yesNo: Kind<boolean> = { name: "true or false", of: (value) => (typeof value === "boolean" ? value : undefined) }
export const amount: Kind<number> = { name: "a number that is not negative", of: (value) => (typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined) }
export const count: Kind<number> = { name: "a whole number above 0", of: (value) => (Number.isInteger(value) && (value as number) > 0 ? (value as number) : undefined) }

export const UNKNOWN = "is not known here, nor is anything that would read it"
const NULL = "null says nothing"
type How = Pick<Moved, "note" | "secret">

export class Moving {
  readonly tree: Tree
  #made: Tree = {}
  #moved: Moved[] = []
  readonly #left: Left[] = []

  constructor(tree: Tree) { this.tree = tree }

  at(...keys: string[]): unknown { return valueAt(this.tree, keys) }

  /** A value of that kind at its place; another kind is left there, and said. */
  take<T>(from: Keys, kind: Kind<T>): T | undefined {
    const value = valueAt(this.tree, from)
    if (value === undefined) return undefined
    const found = kind.of(value)
    if (found === undefined && value === null) this.imply(from, NULL)
    else if (found === undefined) this.leave(from, `${kind.name} is expected`)
    return found
  }

  /** Takes it over as it is, or as `change` makes it. */
  move<T>(from: Keys, to: Keys, kind: Kind<T>, change: (value: T) => unknown = (value) => value, how: How = {}): void {
    const found = this.take(from, kind)
    if (found !== undefined) this.put(to, change(found), from, how)
  }

  put(to: Keys, value: unknown, from: Keys, how: How = {}): void {
    const before = this.#moved.filter((moved) => formatKeys(moved.to) === formatKeys(to))
    this.#moved = this.#moved.filter((moved) => !before.includes(moved))
    for (const moved of before) this.leave(moved.from, `"${formatKeys(from)}" says the same thing, and counts`)
    this.#made = withValue(this.#made, to, value)
    this.#moved.push({ from, to, ...how })
  }

  /** One more of a list, once. */
  push(to: Keys, value: unknown, from: Keys, how: How = {}): void {
    if (this.#listAt(to).includes(value)) this.#moved.push({ from, to, ...how })
    else this.append(to, value, from, how)
  }

  /** One more of a list, whatever is in it. */
  append(to: Keys, value: unknown, from: Keys, how: How = {}): void {
    this.#made = withValue(this.#made, to, [...this.#listAt(to), value])
    this.#moved.push({ from, to, ...how })
  }

  #listAt(to: Keys): readonly unknown[] {
    const list = valueAt(this.#made, to)
    return Array.isArray(list) ? (list as unknown[]) : []
  }

  /** There is something at this place, whatever else is said of it. */
  ensure(to: Keys, from: Keys): void {
    if (valueAt(this.#made, to) === undefined) this.put(to, {}, from)
    else this.also(from, to)
  }

  /** This says a part of what stands at `to`. */
  also(from: Keys, to: Keys): void { this.#moved.push({ from, to }) }

  /** It, and all below it that goes nowhere else. */
  leave(from: Keys, reason: string, reader?: string): void {
    if (valueAt(this.tree, from) !== undefined) this.#left.push({ from, reason, ...(reader !== undefined && { reader }) })
  }

  /** It says nothing that is not so anyway. */
  imply(from: Keys, reason: string): void {
    if (valueAt(this.tree, from) !== undefined) this.#left.push({ from, reason, implied: true })
  }

  /** The entries of an object, each with its keys; what is no object is left. */
  entries(from: Keys): [name: string, keys: Keys, value: unknown][] {
    const value = valueAt(this.tree, from)
    if (value === undefined) return []
    if (isTree(value)) return Object.entries(value).map(([name, each]) => [name, [...from, name], each])
    this.leave(from, value === null ? NULL : "an object is expected")
    return []
  }

  /** The texts of a list, or the one text there is; whatever else is in it is left. */
  texts(from: Keys): [text: string, keys: Keys][] {
    const value = valueAt(this.tree, from)
    if (typeof value === "string") return [[value, from]]
    if (Array.isArray(value)) {
      return value.flatMap((each: unknown, i): [string, Keys][] => {
        const keys = [...from, String(i)]
        if (typeof each === "string" && each.trim() !== "") return [[each, keys]]
        this.leave(keys, "a text is expected")
        return []
      })
    }
    if (value !== undefined) this.leave(from, value === null ? NULL : "a list of texts is expected")
    return []
  }

  /** Names and texts, as headers and variables are. Numbers and yes or no are texts to those who read them. */
  map(from: Keys, to: Keys, change: (value: string, name: string) => string = (value) => value): void {
    for (const [name, keys, value] of this.entries(from)) {
      if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") this.put([...to, name], change(String(value), name), keys)
      else this.leave(keys, "a text is expected")
    }
  }

  /** The last look: each leaf is in one of the two lists, by itself or with what holds it. */
  end(): Converted {
    const moved = new Set(this.#moved.map(({ from }) => formatKeys(from)))
    const left = new Map<string, Left>()
    for (const each of this.#left) { const key = formatKeys(each.from); if (!moved.has(key) && !left.has(key)) left.set(key, each) }
    const said = new Set([...moved, ...left.keys()])
    for (const { from, value } of untouched(this.tree, (keys) => said.has(formatKeys(keys)))) left.set(formatKeys(from), isEmpty(value) ? { from, reason: "it is empty", implied: true } : { from, reason: UNKNOWN })
    return { tree: this.#made, moved: this.#moved, left: [...left.values()] }
  }
}

const isEmpty = (value: unknown): boolean => typeof value === "object" && value !== null && Object.keys(value).length === 0

/** Every leaf, the items of lists among them, that is not below what is settled. */
function untouched(value: unknown, settled: (keys: Keys) => boolean, from: Keys = []): { from: Keys; value: unknown }[] {
  if (from.length > 0 && settled(from)) return []
  const below = typeof value === "object" && value !== null ? Object.entries(value) : []
  return below.length > 0 ? below.flatMap(([key, each]) => untouched(each, settled, [...from, key])) : from.length > 0 ? [{ from, value }] : []
}
