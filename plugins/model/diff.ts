/** What changed between two folds, as immer patches: one fact a real change, and none when nothing changed. */
import type { Patch } from "immer"

/** The patches that turn `before` into `after`. Objects are compared key by key, everything else as a whole; undefined is not there. */
export function patchesOf(before: unknown, after: unknown, path: (string | number)[] = []): Patch[] {
  if (Object.is(before, after)) return []
  if (!isRecord(before) || !isRecord(after)) return equal(before, after) ? [] : [{ op: "replace", path, value: after }]
  const patches: Patch[] = []
  for (const key of Object.keys(before)) if (own(after, key) === undefined && before[key] !== undefined) patches.push({ op: "remove", path: [...path, key] })
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) continue
    if (own(before, key) === undefined) patches.push({ op: "add", path: [...path, key], value })
    else patches.push(...patchesOf(before[key], value, [...path, key]))
  }
  return patches
}

export interface Changes<T> { added: T[]; updated: { item: T; patches: Patch[] }[]; removed: T[] }

/** Compares two collections by key. What did not change keeps its identity in `next`. */
export function compare<T extends object>(before: Readonly<Record<string, T>>, after: Readonly<Record<string, T>>): { next: Record<string, T>; changes: Changes<T> } {
  const changes: Changes<T> = { added: [], updated: [], removed: [] }
  const next: Record<string, T> = {}
  for (const [key, item] of Object.entries(after)) {
    const old = own(before, key)
    const unchanged = old !== undefined && equal(old, item)
    next[key] = unchanged ? old : item
    if (old === undefined) changes.added.push(item)
    else if (!unchanged) changes.updated.push({ item, patches: patchesOf(old, item) })
  }
  for (const [key, item] of Object.entries(before)) if (own(after, key) === undefined) changes.removed.push(item)
  return { next, changes }
}

/** Nearly all that is compared is equal, so this is the quick way to know. */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  for (const key of keys) if (!Object.hasOwn(b, key) || !equal((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])) return false
  return true
}

/** Keys are anybody's: "constructor" is a name like any other. */
export const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined => (Object.hasOwn(record, key) ? record[key] : undefined)
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)
