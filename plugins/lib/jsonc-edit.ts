/**
 * Edits one JSONC text as a careful person would: only what changes is touched. Comments, order, indentation, line ends
 * and trailing commas stay; where an object takes the place of an object, only the keys that differ are written.
 */
import type { Node } from "jsonc-parser"
import { isDeepStrictEqual } from "node:util"
import { parseNodes, propertyOf } from "./jsonc.ts"
import { isTree, own, valueAt, type Keys, type Tree } from "./tree.ts"

interface Change { keys: Keys; value: unknown }
interface Style { eol: string; unit: string }

/** `tree` is what the text says now; `undefined` takes a key out. */
export async function edit(text: string, tree: Tree, keys: Keys, value: unknown): Promise<string> {
  for (const change of changes(valueAt(tree, keys), keys, value)) text = await (change.value === undefined ? remove(text, change.keys) : put(text, change))
  return text
}

function changes(before: unknown, keys: Keys, after: unknown): Change[] {
  if (isDeepStrictEqual(before, after)) return []
  if (!isTree(before) || !isTree(after)) return [{ keys, value: after }]
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key)).map((key): Change => ({ keys: [...keys, key], value: undefined }))
  return [...gone, ...Object.entries(after).flatMap(([key, each]) => changes(own(before, key), [...keys, key], each))]
}

async function put(text: string, { keys, value }: Change): Promise<string> {
  const style = styleOf(text)
  let node = await parseNodes(text)
  if (!node) return put(`${text}${text === "" || text.endsWith("\n") ? "" : style.eol}{}${style.eol}`, { keys, value })
  for (const [i, key] of keys.entries()) {
    const rest = keys.slice(i + 1).reduceRight<unknown>((inner, name) => ({ [name]: inner }), value)
    const found: Node | undefined = propertyOf(node, key)?.children?.[1]
    if (!found) return insert(text, node, key, rest, style)
    if (i === keys.length - 1 || found.type !== "object") return splice(text, found.offset, found.length, print(rest, indentAt(text, found.offset), style))
    node = found
  }
  return text
}

function insert(text: string, object: Node, key: string, value: unknown, style: Style): string {
  const close = object.offset + object.length - 1
  const outer = indentAt(text, object.offset)
  const last = object.children?.at(-1)
  if (!last) {
    const inside = text.slice(object.offset + 1, close)
    const at = object.offset + 1 + inside.trimEnd().length
    const property = (indent: string) => `${JSON.stringify(key)}: ${print(value, indent, style)}`
    if (inside.includes("\n")) return splice(text, at, 0, `${style.eol}${outer}${style.unit}${property(outer + style.unit)}`)
    if (object.offset > 0 && object.parent) return splice(text, at, close - at, ` ${property(outer)} `)
    return splice(text, at, close - at, `${style.eol}${outer}${style.unit}${property(outer + style.unit)}${style.eol}${outer}`)
  }
  const end = last.offset + last.length
  const comma = commaAfter(text, end)
  const from = comma === undefined ? end : comma + 1
  const lineEnd = from + match(SAME_LINE, text, from).length
  const fresh = /[\r\n]/.test(text[lineEnd] ?? "")
  const indent = startsLine(text, last.offset) ? indentAt(text, last.offset) : fresh ? outer + style.unit : outer
  const at = fresh ? lineEnd : from + match(SAME_LINE, text, from).trimEnd().length
  const property = `${fresh ? `${style.eol}${indent}` : " "}${JSON.stringify(key)}: ${print(value, indent, style)}${comma === undefined ? "" : ","}`
  return comma === undefined ? splice(splice(text, at, 0, property), end, 0, ",") : splice(text, at, 0, property)
}

/** All that have the key: of two, the one that is left would count. */
async function remove(text: string, keys: Keys): Promise<string> {
  let node = await parseNodes(text)
  let property: Node | undefined
  for (const key of keys) {
    property = node && propertyOf(node, key)
    node = property?.children?.[1]
  }
  if (!property) return text
  const { offset, length } = property
  const siblings = property.parent!.children!
  const before = siblings[siblings.indexOf(property) - 1]
  const comma = commaAfter(text, offset + length) ?? (before && commaAfter(text, before.offset + before.length))
  const cut = splice(text, offset, length, "")
  if (comma === undefined) return tidy(cut, offset)
  const inFront = comma < offset
  return remove(tidy(splice(cut, inFront ? comma : comma - length, 1, ""), inFront ? offset - 1 : offset), keys)
}

/** Where something was taken out: no empty line stays, and no second space. */
function tidy(text: string, at: number): string {
  const start = text.lastIndexOf("\n", at - 1) + 1
  const found = text.indexOf("\n", at)
  const end = found < 0 ? text.length : found + 1
  if (text.slice(start, end).trim() === "" && start > 0 && found >= 0) return splice(text, start, end - start, "")
  const spaces = /^[ \t]*/.exec(text.slice(at))![0].length
  return /\s/.test(text[at - 1] ?? "") ? splice(text, at, spaces, "") : text
}

// ── the text ──────────────────────────────────────────────────────────────────────────────────────────────────────

const TRIVIA = /(?:\s|\/\/[^\r\n]*|\/\*[^]*?\*\/)*/y
const SAME_LINE = /(?:[ \t]|\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/)*/y

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)![0]
}

function commaAfter(text: string, end: number): number | undefined {
  const at = end + match(TRIVIA, text, end).length
  return text[at] === "," ? at : undefined
}

const splice = (text: string, at: number, length: number, insertion: string): string => text.slice(0, at) + insertion + text.slice(at + length)
const lineStart = (text: string, at: number): number => text.lastIndexOf("\n", at - 1) + 1
const indentAt = (text: string, at: number): string => /^[ \t]*/.exec(text.slice(lineStart(text, at), at))![0]
const startsLine = (text: string, at: number): boolean => text.slice(lineStart(text, at), at).trim() === ""

function styleOf(text: string): Style {
  return { eol: text.includes("\r\n") ? "\r\n" : "\n", unit: /^([ \t]+)"/m.exec(text)?.[1] ?? "  " }
}

/** Short lists stay on their line. */
function print(value: unknown, indent: string, style: Style): string {
  const inner = indent + style.unit
  const lines = (open: string, parts: readonly string[], close: string) => `${open}${style.eol}${parts.map((part) => inner + part).join(`,${style.eol}`)}${style.eol}${indent}${close}`
  if (Array.isArray(value)) {
    const flat = value.some((each) => typeof each === "object" && each !== null) ? undefined : `[${value.map((each) => JSON.stringify(each)).join(", ")}]`
    if (flat !== undefined && flat.length <= 100) return flat
    return lines("[", value.map((each) => print(each, inner, style)), "]")
  }
  if (!isTree(value)) return JSON.stringify(value)
  const entries = Object.entries(value)
  return entries.length === 0 ? "{}" : lines("{", entries.map(([key, each]) => `${JSON.stringify(key)}: ${print(each, inner, style)}`), "}")
}
