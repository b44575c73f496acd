/**
 * What the sections say of the layers: a wrong or unknown part is taken out of the layer in which it stands, as small as
 * it is, and what a lower layer says there holds. Pure.
 */
import { refers } from "./reference.ts"
import type { Sheet } from "./sheet.ts"
import { merge, own, valueAt, without, type Keys, type Tree } from "../lib/tree.ts"

interface Issue { keys: Keys; message: string }
/** Says what is wrong with a whole section; a schema that fails itself says nothing. */
export type Judge = (value: unknown) => readonly Issue[]
/** `missing`: not what stands there is wrong, but that this does not stand in it. */
export interface Problem extends Issue { sheet: Sheet; missing?: Keys }

/** `complete`: every plugin that could know a key is there, so that an unknown one is a mistake. */
export function check(sheets: readonly Sheet[], judges: ReadonlyMap<string, Judge>, complete: boolean): { sheets: Sheet[]; problems: Problem[] } {
  const problems: Problem[] = []
  const trees = sheets.map(({ tree }) => tree)
  const drop: Drop = (i, issues) => {
    // From the end, so that the places of a list's other items stay what they are.
    for (const issue of issues.toSorted((a, b) => compareKeys(b.keys, a.keys))) {
      trees[i] = without(trees[i]!, issue.keys)
      // What is missing because it was taken out was said already.
      if (!issue.missing || sheets.every(({ tree }) => valueAt(tree, issue.missing!) === undefined)) problems.push({ sheet: sheets[i]!, ...issue })
    }
  }
  if (complete) trees.forEach((tree, i) => {
    const unknown = Object.keys(tree).filter((id) => !judges.has(id))
    if (unknown.length > 0) trees[i] = Object.fromEntries(Object.entries(tree).filter(([id]) => judges.has(id)))
    // What another program says is not said to us.
    if (sheets[i]!.from === undefined) for (const id of unknown) problems.push({ sheet: sheets[i]!, keys: [id], message: UNKNOWN })
  })
  for (const [id, judge] of judges) if (trees.some((tree) => Object.hasOwn(tree, id))) checkSection(id, judge, trees, drop)
  return { sheets: sheets.map((sheet, i) => (trees[i] === sheet.tree ? sheet : { ...sheet, tree: trees[i]! })), problems }
}

export const UNKNOWN = "is not known"
/** Mistakes in one section of one layer that are taken out one by one; where there are more, the section goes. */
const MOST = 100

type Drop = (i: number, issues: readonly Omit<Problem, "sheet">[]) => void

function checkSection(id: string, judge: Judge, trees: readonly Tree[], drop: Drop): void {
  // Layer by layer, so that a mistake is the mistake of the layer that brings it, even where a higher one hides it.
  let below: unknown
  for (let i = 0; i < trees.length; i++) {
    for (let upper; (upper = own(trees[i]!, id)) !== undefined; ) {
      const whole = merge(below, upper)
      // What is only missing may stand in a higher layer.
      const wrong = judge(whole).filter((issue) => !excused(whole, issue) && (issue.keys.length === 0 || valueAt(whole, issue.keys) !== undefined))
      if (wrong.length === 0) break
      drop(i, wrong.length > MOST ? [{ keys: [id], message: `has ${wrong.length} mistakes, the first: ${wrong[0]!.message}` }] : smallest(wrong.map(({ keys, message }) => ({ keys: [id, ...present(upper, keys)], message }))))
    }
    below = merge(below, own(trees[i]!, id))
  }
  for (;;) {
    const whole = trees.map((tree) => own(tree, id)).reduce(merge, undefined)
    const wrong = whole === undefined ? undefined : judge(whole).find((issue) => !excused(whole, issue))
    if (!wrong) return
    const keys = [id, ...present(whole, wrong.keys)]
    drop(trees.findLastIndex((tree) => valueAt(tree, keys) !== undefined), [{ keys, message: wrong.message, missing: [id, ...wrong.keys] }])
  }
}

/** A reference is judged by what it stands for, where it is used. */
const excused = (whole: unknown, { keys }: Issue): boolean => { const value = valueAt(whole, keys); return typeof value === "string" && refers(value) }

/** As far along the keys as there is something. */
function present(value: unknown, keys: Keys): Keys {
  let length = keys.length
  while (length > 0 && valueAt(value, keys.slice(0, length)) === undefined) length--
  return keys.slice(0, length)
}

/** Each place once, and none inside another. */
function smallest(issues: readonly Issue[]): Issue[] {
  const covers = (outer: Keys, inner: Keys) => outer.every((key, i) => key === inner[i])
  return issues.filter(({ keys }, i) => !issues.some((other, j) => i !== j && covers(other.keys, keys) && (other.keys.length < keys.length || j < i)))
}

function compareKeys(a: Keys, b: Keys): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] === b[i]) continue
    const [x, y] = [Number(a[i]), Number(b[i])]
    return Number.isNaN(x) || Number.isNaN(y) ? (a[i]! < b[i]! ? -1 : 1) : x - y
  }
  return a.length - b.length
}
