/** Plain data as it stands in a config: objects merge, everything else replaces. Nothing here changes what it is given. */
import { isDeepStrictEqual } from "node:util"

export type Tree = Readonly<Record<string, unknown>>
/** The way to a value: names, and places of lists as texts. */
export type Keys = readonly string[]

/** Joined by dots; a dot inside a key is written `\.`. */
export const formatKeys = (keys: Keys): string => keys.map((key) => key.replace(/[.\\]/g, "\\$&")).join(".")

export const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value)
export const own = (tree: Tree, key: string): unknown => (Object.hasOwn(tree, key) ? tree[key] : undefined)

export function valueAt(value: unknown, keys: Keys): unknown {
  for (const key of keys) {
    if (Array.isArray(value)) value = (value as unknown[])[Number(key)]
    else if (isTree(value)) value = own(value, key)
    else return undefined
  }
  return value
}

/** The upper one wins. */
export function merge(lower: unknown, upper: unknown): unknown {
  if (upper === undefined) return lower
  if (!isTree(lower) || !isTree(upper)) return upper
  const merged: Record<string, unknown> = { ...lower }
  for (const [key, value] of Object.entries(upper)) merged[key] = merge(own(lower, key), value)
  return merged
}

export const fold = (trees: readonly Tree[]): Tree => trees.reduce((lower, upper) => merge(lower, upper) as Tree, {})

export function withValue(tree: Tree, [key, ...rest]: Keys, value: unknown): Tree {
  if (key === undefined) return isTree(value) ? value : {}
  const below = own(tree, key)
  return { ...tree, [key]: rest.length === 0 ? value : withValue(isTree(below) ? below : {}, rest, value) }
}

/** Without what stands at the end of the keys; what is on the way stays. */
export function without<T extends Tree | readonly unknown[]>(value: T, [key, ...rest]: Keys): T {
  if (key === undefined || !Object.hasOwn(value, key)) return value
  const below: unknown = (value as Tree)[key]
  const kept = rest.length > 0 ? (isTree(below) || Array.isArray(below) ? without(below as Tree, rest) : below) : undefined
  if (Array.isArray(value)) return value.flatMap((item: unknown, i) => (i !== Number(key) ? [item] : rest.length > 0 ? [kept] : [])) as unknown as T
  const { [key]: _, ...others } = value as Tree
  return (rest.length > 0 ? { ...value, [key]: kept } : others) as T
}

/** Every leaf with its keys. Arrays, scalars and empty objects are leaves. */
export function leaves(value: unknown, keys: Keys = []): { keys: Keys; value: unknown }[] {
  if (value === undefined) return []
  const below = isTree(value) ? Object.entries(value) : []
  return below.length > 0 ? below.flatMap(([key, each]) => leaves(each, [...keys, key])) : [{ keys, value }]
}

/** The keys of the leaves that differ. */
export function difference(before: unknown, after: unknown, keys: Keys = []): Keys[] {
  if (isDeepStrictEqual(before, after)) return []
  if (isTree(before) && isTree(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) => difference(own(before, key), own(after, key), [...keys, key]))
  }
  const changed = new Map([...leaves(before, keys), ...leaves(after, keys)].map((leaf) => [JSON.stringify(leaf.keys), leaf.keys]))
  return [...changed.values()]
}

/** Only what JSON can say, and no key that would be a prototype; anything else is left out. */
export function plain(value: unknown): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined
  if (Array.isArray(value)) return value.map((each) => plain(each) ?? null)
  const prototype: unknown = typeof value === "object" ? Object.getPrototypeOf(value) : undefined
  if (prototype !== Object.prototype && prototype !== null) return undefined
  return Object.fromEntries(Object.entries(value as object).flatMap(([key, each]) => { const kept = key === "__proto__" ? undefined : plain(each); return kept === undefined ? [] : [[key, kept]] }))
}

/** Handed to everybody, so nobody may change it. */
export function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const each of Object.values(value)) frozen(each)
  return value
}
