/** One layer of the config as it lies over the others: what it says, and where each word of it stands. Pure but for the lines, which are looked up when asked for. */
import type { Explanation, Layer, Origin } from "./contract.ts"
import type { Document } from "../lib/jsonc.ts"
import type { Environment } from "./environment.ts"
import { isTree, leaves, own, valueAt, type Keys, type Tree } from "../lib/tree.ts"

export interface Place { file?: string; line?: number }
export interface Sheet { readonly layer: Layer; readonly tree: Tree; readonly file?: string; /** The other program whose file it is. */ readonly from?: string; /** The hook that said it in the place of that layer. */ readonly by?: string; place(keys: Keys): Place | Promise<Place> }

/** `file`: where a text stands, a path or a variable. */
export const sheetOf = (layer: Layer, file: string, { tree, line }: Document, from?: string): Sheet => ({ layer, tree, file, ...(from !== undefined && { from }), place: async (keys) => ({ file, line: await line(keys) }) })

export const sheetOfEnvironment = ({ tree, variable }: Environment): Sheet => ({ layer: "env", tree, place: (keys) => { const file = variable(keys); return file === undefined ? {} : { file } } })
export const sheetOfFlags = (tree: Tree): Sheet => ({ layer: "flag", tree, place: () => ({}) })

/** The highest sheet that says something at these keys. */
export const speaker = (sheets: readonly Sheet[], keys: Keys): Sheet | undefined => sheets.findLast(({ tree }) => valueAt(tree, keys) !== undefined)

/** Who says what at these keys: the winner, and who lost, the highest first. Below a sheet that says something else instead of an object nobody wins. */
export async function origins(sheets: readonly Sheet[], keys: Keys): Promise<Pick<Explanation, "winner" | "losers">> {
  const found: Origin[] = []
  let closed = false
  let winner: Origin | undefined
  for (const sheet of sheets.toReversed()) {
    const value = valueAt(sheet.tree, keys)
    if (value === undefined) {
      closed ||= winner === undefined && blocks(sheet.tree, keys)
      continue
    }
    const origin: Origin = { layer: sheet.layer, ...(await sheet.place(keys)), ...(sheet.from === undefined ? {} : { from: sheet.from }), value, ...(sheet.by === undefined ? {} : { by: sheet.by }) }
    if (winner === undefined && !closed) winner = origin
    else found.push(origin)
  }
  return { ...(winner && { winner }), losers: found }
}

function blocks(tree: unknown, keys: Keys): boolean {
  for (const key of keys) {
    if (!isTree(tree)) return tree !== undefined
    tree = own(tree, key)
  }
  return false
}

/** The place of the highest leaf that is this text, or holds it. */
export async function placeOfText(sheets: readonly Sheet[], text: string): Promise<(Place & { keys: Keys }) | undefined> {
  const holds = (value: unknown): boolean => (typeof value === "string" ? value.includes(text) : Array.isArray(value) && value.some(holds))
  for (const sheet of sheets.toReversed()) {
    const leaf = leaves(sheet.tree).find(({ value }) => holds(value))
    if (leaf) return { ...(await sheet.place(leaf.keys)), keys: leaf.keys }
  }
  return undefined
}
