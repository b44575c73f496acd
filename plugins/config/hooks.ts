/** What `config.load` changed, laid over the layers: each change in the place of the layer that had spoken there, in the name of the plugin that made it. Pure. */
import type { Contribution } from "graft"
import { speaker, type Sheet } from "./sheet.ts"
import { isTree, own, valueAt, without, withValue, type Keys, type Tree } from "../lib/tree.ts"

export function overlay(sheets: readonly Sheet[], before: Tree, after: Tree, contributions: readonly Contribution[]): Sheet[] {
  const touched = new Map<string, { keys: Keys; by: string }>()
  for (const { by, patches } of contributions) {
    for (const { path } of patches) for (const keys of touches(before, after, path.map(String))) touched.set(JSON.stringify(keys), { keys, by })
  }
  const below = [...touched.values()].reduce((lower, { keys }) => (replaced(valueAt(after, keys)) ? lower.map((sheet) => ({ ...sheet, tree: without(sheet.tree, keys) })) : lower), [...sheets])
  const above = [...touched.values()].flatMap(({ keys, by }): Sheet[] => {
    const value = valueAt(after, keys)
    const former = speaker(sheets, keys)
    return value === undefined ? [] : [{ layer: former?.layer ?? "default", tree: withValue({}, keys, value), by, place: () => former?.place(keys) ?? {} }]
  })
  return [...below, ...above]
}

/** What is gone must not show through, and an object must not merge with the one whose place it takes. */
const replaced = (value: unknown): boolean => value === undefined || isTree(value)

/** A patch as keys of objects: half a list is another list, and the whole tree is all of its keys. */
function touches(before: Tree, after: Tree, [first, ...keys]: Keys): Keys[] {
  if (first !== "tree") return []
  if (keys.length === 0) return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => own(before, key) !== own(after, key)).map((key) => [key])
  let length = 1
  for (let at = own(before, keys[0]!); length < keys.length && isTree(at); length++) at = own(at, keys[length]!)
  return [keys.slice(0, length)]
}
