/**
 * One JSONC text: its tree, and the line of every key. Plain JSON is parsed without the library; comments, trailing
 * commas and lines need it, and then it is imported.
 */
import type { Node, ParseError } from "jsonc-parser"
import { isTree, plain, type Keys, type Tree } from "./tree.ts"

export interface Document { readonly text: string; readonly tree: Tree; /** The line of the deepest key on the way that is there, from 1. */ line(keys: Keys): number | Promise<number> }
/** Why a text is no config, and where. */
export interface Broken { line: number; message: string }

/** Bytes of a config; a larger file is a mistake. */
export const MOST = 1_048_576

export async function parseDocument(text: string, most = MOST): Promise<Document | Broken> {
  if (text.length > most) return { line: 1, message: `it has more than ${most} characters, which no config needs` }
  const value = parseJson(text) ?? (await parseJsonc(text))
  if (isBroken(value)) return value.broken
  try {
    const tree = value.value === undefined ? {} : plain(value.value)
    return isTree(tree) ? documentOf(text, tree) : { line: 1, message: "an object is expected: { … }" }
  } catch {
    return { line: 1, message: "it is nested too deep" }
  }
}

/** `tree` is what stands in the text. */
export function documentOf(text: string, tree: Tree): Document {
  let lines: Promise<(keys: Keys) => number> | undefined
  return { text, tree, line: async (keys) => (await (lines ??= linesOf(text).catch(() => () => 1)))(keys) }
}

export const isDocument = (parsed: Document | Broken): parsed is Document => "tree" in parsed

type Parsed = { value: unknown } | { broken: Broken }
const isBroken = (parsed: Parsed): parsed is { broken: Broken } => "broken" in parsed

function parseJson(text: string): Parsed | undefined {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

async function parseJsonc(text: string): Promise<Parsed> {
  const { getNodeValue, printParseErrorCode } = await import("jsonc-parser")
  const errors: ParseError[] = []
  try {
    const root = await parseNodes(text, errors)
    const [error] = errors
    if (error) return { broken: { line: lineOf(text, error.offset), message: printParseErrorCode(error.error).replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).trim() } }
    return { value: root && getNodeValue(root) }
  } catch (error) {
    // Nesting beyond the stack.
    return { broken: { line: 1, message: error instanceof Error ? error.message : String(error) } }
  }
}

/** A text of nothing but comments has no node. */
export async function parseNodes(text: string, errors: ParseError[] = []): Promise<Node | undefined> {
  const { parseTree } = await import("jsonc-parser")
  return parseTree(withoutMark(text), errors, { allowTrailingComma: true, allowEmptyContent: true })
}

/** A byte order mark is white space here, so that every offset stays. */
const withoutMark = (text: string): string => (text.startsWith("\uFEFF") ? ` ${text.slice(1)}` : text)

async function linesOf(text: string): Promise<(keys: Keys) => number> {
  const root = await parseNodes(text)
  return (keys) => lineOf(text, offsetOf(root, keys))
}

function offsetOf(root: Node | undefined, keys: Keys): number {
  let offset = root?.offset ?? 0
  for (let node = root, i = 0; node && i < keys.length; i++) {
    const next: Node | undefined = node.type === "array" ? node.children?.[Number(keys[i])] : propertyOf(node, keys[i]!)
    if (!next) break
    offset = next.offset
    node = next.type === "property" ? next.children?.[1] : next
  }
  return offset
}

/** Of two with one key the later counts, as in the tree. */
export const propertyOf = (object: Node, key: string): Node | undefined => (object.type === "object" ? object.children?.findLast((property) => property.children?.[0]?.value === key) : undefined)

const lineOf = (text: string, offset: number): number => text.slice(0, offset).split("\n").length
