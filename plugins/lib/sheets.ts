/**
 * Markdown files with YAML before them, as people write skills, commands and agents: found in their directories, read
 * again only when they changed, and a bad one alone left out, with file and line.
 */
import { readdirSync, statSync } from "node:fs"
import { basename, join } from "node:path"
import { messageOf } from "graft"
import { inside, locate, openReal } from "./confine.ts"
import type { Foreign } from "./foreign-places.ts"
import { readUpTo } from "./textfile.ts"

export type Scope = "built-in" | "user" | "project"
/** `folders`: a sheet is `<name>/<file>`; `files`: it is `<name>.md`, and those of directories below are `<directory>/<name>`. */
export interface Root { directory: string; scope: Scope; layout: { folders: string } | "files"; /** The other agent whose place it is. */ from?: Foreign }
export interface Sheet { name: string; file: string; scope: Scope; front: Record<string, unknown>; body: string }
/** What was read, or why it is not used. */
type Read = { sheet: Sheet } | { problem: string }
export type Cache = Map<string, { stamp: string; read: Read }>

const MOST_BYTES = 256 * 1024
const MOST_FILES = 500
const DEEP = 3

/** In the order of the roots, so the nearest last. */
export async function readSheets(cache: Cache, roots: readonly Root[], location: string): Promise<{ sheets: Sheet[]; problems: string[] }> {
  const found = roots.flatMap((root) => filesIn(root).map((at) => ({ ...at, root })))
  const problems = found.length > MOST_FILES ? [`${found.length} files in ${roots.map(({ directory }) => directory).join(", ")}; only the nearest ${MOST_FILES} are read`] : []
  const sheets: Sheet[] = []
  const seen = new Set<string>()
  for (const { name, file, root } of found.slice(-MOST_FILES)) {
    const stamp = stampOf(file)
    if (stamp === undefined) continue
    seen.add(file)
    let known = cache.get(file)
    if (known?.stamp !== stamp) cache.set(file, (known = { stamp, read: await readSheet(name, file, root.scope, root.scope === "project" ? location : undefined) }))
    if ("problem" in known.read) problems.push(known.read.problem)
    else sheets.push(known.read.sheet)
  }
  for (const file of cache.keys()) if (!seen.has(file)) cache.delete(file)
  return { sheets, problems }
}

function filesIn({ directory, layout }: Root): { name: string; file: string }[] {
  if (layout === "files") return below(directory, "", DEEP)
  return entriesOf(directory).filter((entry) => !entry.isFile()).map(({ name }) => ({ name, file: join(directory, name, layout.folders) }))
}

function below(directory: string, prefix: string, depth: number): { name: string; file: string }[] {
  return entriesOf(directory).flatMap((entry) => {
    if (entry.name.startsWith(".")) return []
    if (entry.isDirectory()) return depth > 1 ? below(join(directory, entry.name), `${prefix}${entry.name}/`, depth - 1) : []
    return entry.name.endsWith(".md") && entry.name !== "README.md" ? { name: prefix + basename(entry.name, ".md"), file: join(directory, entry.name) } : []
  })
}

/** A directory that is not there, or not readable, holds none. */
function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    return []
  }
}

function stampOf(file: string): string | undefined {
  try {
    const stat = statSync(file, { throwIfNoEntry: false })
    return stat?.isFile() ? `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}` : undefined
  } catch {
    return undefined
  }
}

async function readSheet(name: string, file: string, scope: Scope, within: string | undefined): Promise<Read> {
  try {
    const { real } = await locate(file, "/")
    if (within !== undefined && !inside(within, real)) return { problem: `${file} is a link out of the project (to ${real}) and is not read` }
    await using opened = await openReal(real)
    const bytes = await readUpTo(opened, MOST_BYTES)
    if (!bytes) return { problem: `${file} has more than ${MOST_BYTES} bytes, and is not used` }
    if (bytes.includes(0)) return { problem: `${file} is a binary file, and is not used` }
    const { front, body } = await partsOf(bytes.toString("utf8").replace(/^\ufeff/, ""), file)
    return { sheet: { name, file, scope, front, body } }
  } catch (error) {
    return { problem: error instanceof SheetError ? error.message : `${file} cannot be read: ${messageOf(error)}` }
  }
}

class SheetError extends Error {}

const FRONT = /^---[ \t]*\r?\n([\s\S]*?)(?:\r?\n)?---[ \t]*(?:\r?\n|$)/

async function partsOf(text: string, file: string): Promise<Pick<Sheet, "front" | "body">> {
  const [whole, yaml] = FRONT.exec(text) ?? []
  if (whole === undefined || yaml === undefined) {
    if (/^---[ \t]*\r?\n/.test(text)) throw new SheetError(`${file}:1: what begins with "---" has no end; a line "---" closes it`)
    return { front: {}, body: text.trim() }
  }
  return { front: await frontOf(yaml, file), body: text.slice(whole.length).trim() }
}

async function frontOf(yaml: string, file: string): Promise<Record<string, unknown>> {
  const { parseDocument } = await import("yaml")
  const document = parseDocument(yaml, { prettyErrors: true, schema: "core" })
  const [error] = document.errors
  const plain = error && plainLines(yaml)
  if (error && !plain) throw new SheetError(`${file}:${(error.linePos?.[0].line ?? 1) + 1}: ${error.message.split("\n")[0]!.replace(/ at line \d+, column \d+:?$/, "")}`)
  const front: unknown = plain ?? document.toJS({ maxAliasCount: 20 })
  if (front === null) return {}
  if (typeof front !== "object" || Array.isArray(front)) throw new SheetError(`${file}:2: "key: value" lines are expected between the two "---"`)
  return front as Record<string, unknown>
}

/** Written for readers that take `key: anything` by the line: a colon or a quote in a description is no error to them. */
function plainLines(yaml: string): Record<string, string> | undefined {
  const lines = yaml.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"))
  const pairs = lines.map((line) => /^([\w-]+):[ \t]+([^\s[{|>&*].*)$/.exec(line))
  return pairs.every((pair) => pair !== null) ? Object.fromEntries(pairs.map((pair) => [pair[1]!, pair[2]!.trim()])) : undefined
}
