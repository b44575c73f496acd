/** The tool `symbols`: what a language server knows of names: an outline, a search, definitions and uses. */
import { relative } from "node:path"
import * as v from "valibot"
import { messageOf } from "graft"
import { inside, locate } from "../lib/confine.ts"
import { readTextFile } from "../lib/textfile.ts"
import type { ToolDefinition, ToolResult } from "../tool/contract.ts"
import type { Live } from "./live.ts"
import { pathOf } from "./place.ts"

/** Of one answer that are shown; and characters of a line of code beside a place. */
const MOST = 200
const MOST_LINE = 160
const MOST_READ = 20

const Place = v.object({ start: v.object({ line: v.number(), character: v.number() }) })
const Located = v.union([
  v.pipe(v.looseObject({ uri: v.string(), range: Place }), v.transform(({ uri, range }) => ({ uri, range }))),
  v.pipe(v.looseObject({ targetUri: v.string(), targetSelectionRange: Place }), v.transform(({ targetUri, targetSelectionRange }) => ({ uri: targetUri, range: targetSelectionRange }))),
])
const Flat = v.looseObject({ name: v.string(), kind: v.number(), containerName: v.nullish(v.string()), location: v.looseObject({ uri: v.string(), range: v.optional(Place) }) })
interface Nested { name: string; kind: number; detail?: string; selectionRange: v.InferOutput<typeof Place>; children?: Nested[] }
const Nested: v.GenericSchema<Nested> = v.looseObject({ name: v.string(), kind: v.number(), detail: v.optional(v.string()), selectionRange: Place, children: v.optional(v.array(v.lazy(() => Nested))) })

/** As the protocol numbers them (3.17, SymbolKind). */
const KINDS = ["file", "module", "namespace", "package", "class", "method", "property", "field", "constructor", "enum", "interface", "function", "variable", "constant", "string", "number", "boolean", "array", "object", "key", "null", "member", "struct", "event", "operator", "type parameter"]
const kindOf = (kind: number): string => KINDS[kind - 1] ?? "symbol"

const input = v.object({
  action: v.pipe(v.picklist(["outline", "search", "definition", "references"]), v.description("outline: what a file declares; search: names in the whole project; definition, references: of the name at a place")),
  path: v.optional(v.pipe(v.string(), v.nonEmpty(), v.description("The file; not for search"))),
  query: v.optional(v.pipe(v.string(), v.maxLength(200), v.description("search: a part of the name"))),
  line: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.description("definition, references: the line, from 1"))),
  name: v.optional(v.pipe(v.string(), v.nonEmpty(), v.maxLength(200), v.description("definition, references: the name as it stands in that line"))),
})
type Wanted = v.InferOutput<typeof input>

export interface Answering { serving(path: string): Promise<Live[]>; readonly running: Live[] }

export const makeSymbols = (servers: Answering, location: string): ToolDefinition<typeof input> => ({
  name: "symbols",
  description: "Asks the project's language server, which knows what names mean: the outline of a file, names in the whole project, where a name is defined, and where it is used. Better than grep where a name is common.",
  input,
  effects: ["read"],
  async execute(wanted, { directory, signal }) {
    try {
      const title = [wanted.action, wanted.query ?? wanted.name ?? wanted.path].filter(Boolean).join(" ")
      return { title, output: await (wanted.action === "search" ? search(servers, location, wanted, signal) : atFile(servers, location, directory, wanted, signal)) }
    } catch (error) {
      return { output: messageOf(error), failed: true } satisfies ToolResult
    }
  },
})

async function search(servers: Answering, location: string, { query = "" }: Wanted, signal: AbortSignal): Promise<string> {
  const answers = await Promise.all(servers.running.map(async (live) => symbolsOf(await live.request("workspace/symbol", { query }, { signal }).catch(() => []))))
  const lines = answers.flat().flatMap((symbol) => {
    const path = pathOf(symbol.location.uri)
    return path !== undefined && inside(location, path) ? `${relative(location, path)}:${(symbol.location.range?.start.line ?? 0) + 1} ${kindOf(symbol.kind)} ${symbol.name}${symbol.containerName ? ` in ${symbol.containerName}` : ""}` : []
  })
  return shown(lines, `no name in the project is like "${query}"`)
}

async function atFile(servers: Answering, location: string, directory: string, wanted: Wanted, signal: AbortSignal): Promise<string> {
  if (wanted.path === undefined) throw new Error(`${wanted.action} needs a "path"`)
  const { path, real } = await locate(wanted.path, directory)
  if (!inside(location, real)) throw new Error(`${path} is not in this project, which is all that its servers know`)
  const lives = await servers.serving(real)
  for (const live of lives) if (!(await live.show(real))) throw new Error(`${path} is no text that could be read`)
  if (wanted.action === "outline") return shown((await Promise.all(lives.map(async (live) => outline(await live.request("textDocument/documentSymbol", { textDocument: { uri: live.uriOf(real) } }, { signal }))))).flat(), `${path} declares nothing`)
  const position = await positionIn(real, wanted)
  const found = await Promise.all(lives.map((live) => live.request(`textDocument/${wanted.action}`, { textDocument: { uri: live.uriOf(real) }, position, ...(wanted.action === "references" && { context: { includeDeclaration: true } }) }, { signal })))
  return shown(await placesOf(found.flat(), location), `nothing is known of "${wanted.name}" in line ${wanted.line}`)
}

async function positionIn(real: string, { line, name }: Wanted): Promise<{ line: number; character: number }> {
  if (line === undefined || name === undefined) throw new Error('"line" and "name" say which name is meant')
  const text = (await linesOf(real))[line - 1]
  const character = text?.search(new RegExp(`(?<![\\w$])${name.replace(/[^\w]/g, "\\$&")}(?![\\w$])`)) ?? -1
  if (character < 0) throw new Error(`"${name}" does not stand in line ${line}${text === undefined ? ", which is not there" : `: ${text.trim().slice(0, MOST_LINE)}`}`)
  return { line: line - 1, character }
}

/** What is none of a symbol is left out. */
const symbolsOf = (answer: unknown): v.InferOutput<typeof Flat>[] => listOf(answer, Flat)

function outline(answer: unknown): string[] {
  const nested = listOf(answer, Nested)
  if (nested.length > 0) return nested.flatMap((symbol) => branch(symbol, 0))
  return symbolsOf(answer).map(({ name, kind, location: { range } }) => `${(range?.start.line ?? 0) + 1} ${kindOf(kind)} ${name}`)
}

function branch({ name, kind, detail, selectionRange, children = [] }: Nested, depth: number): string[] {
  const line = `${"  ".repeat(depth)}${selectionRange.start.line + 1} ${kindOf(kind)} ${name}${detail ? ` ${detail.replace(/\s+/g, " ").slice(0, MOST_LINE)}` : ""}`
  return depth > 8 ? [line] : [line, ...children.flatMap((child) => branch(child, depth + 1))]
}

/** Each with its line of code, while there are few files. */
async function placesOf(answers: readonly unknown[], location: string): Promise<string[]> {
  const places = listOf(answers.filter((each) => each !== null), Located)
  const texts = new Map<string, string[]>()
  const lines: string[] = []
  for (const { uri, range: { start } } of places.slice(0, MOST + 1)) {
    const path = pathOf(uri)
    if (path === undefined) continue
    const own = inside(location, path)
    if (own && !texts.has(path) && texts.size < MOST_READ) texts.set(path, await linesOf(path))
    lines.push(`${own ? relative(location, path) : path}:${start.line + 1}:${start.character + 1} ${texts.get(path)?.[start.line]?.trim().slice(0, MOST_LINE) ?? ""}`.trimEnd())
  }
  return [...new Set(lines)]
}

/** None of what cannot be read, or leads elsewhere. */
const linesOf = async (real: string): Promise<string[]> => ((await readTextFile(real).catch(() => undefined))?.text ?? "").split("\n")

function listOf<T>(answer: unknown, schema: v.GenericSchema<unknown, T>): T[] {
  return (Array.isArray(answer) ? answer.slice(0, 10_000) : []).flatMap((each) => {
    const parsed = v.safeParse(schema, each)
    return parsed.success ? parsed.output : []
  })
}

const shown = (lines: readonly string[], none: string): string => (lines.length === 0 ? none : [...lines.slice(0, MOST), ...(lines.length > MOST ? [`… and ${lines.length - MOST} more`] : [])].join("\n"))
