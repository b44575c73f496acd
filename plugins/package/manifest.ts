/**
 * What a package says of itself: which plugins it has, and for which Graft. `"graft": "./index.js"` in its package.json is one
 * plugin by the package's own name; `"graft": { "weather": "./weather.js", "alerts": "./alerts.js" }` are several.
 */
import { readFileSync, statSync } from "node:fs"
import { join, relative, sep } from "node:path"
import * as v from "valibot"
import type { PackageShape } from "../compat-opencode/contract.ts"
import { PackageError } from "./errors.ts"

/** `shape`: it is written for another host, whose plugins somebody makes ones of Graft. */
export interface Manifest { name: string; version: string; engines?: string; shape?: string; entries: Record<string, string> }
type Shape = Pick<PackageShape, "id" | "entries">

const Text = v.pipe(v.string(), v.nonEmpty())
const Schema = v.object({
  name: Text, version: Text, main: v.optional(v.string()), engines: v.optional(v.record(v.string(), v.string())),
  graft: v.optional(v.union([Text, v.record(v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,63}$/, "an id is lower-case letters, digits and dashes")), Text)])),
})
const SOURCE = /\.[cm]?[jt]sx?$/

export function manifestOf(directory: string, shapes: readonly Shape[] = []): Manifest {
  const file = join(directory, "package.json")
  const raw = json(file)
  const parsed = v.safeParse(Schema, raw)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw new PackageError("package.manifest", `${file}: ${v.getDotPath(issue) ?? "it"}: ${issue.message}`)
  }
  const { name, version, engines, graft, main } = parsed.output
  const own = name.replace(/^@[^/]+\//, "").replace(/^graft-(plugin-)?/, "")
  const foreign = graft === undefined ? shapes.map(({ id, entries }) => ({ id, entries: entries(raw as Record<string, unknown>) })).find(({ entries }) => entries !== undefined) : undefined
  const named = foreign ? foreign.entries! : typeof graft === "object" ? graft : { [own]: graft ?? main ?? "index.js" }
  if (Object.keys(named).length === 0) throw new PackageError("package.manifest", `${file}: "graft" names no plugin`)
  if (!foreign && graft === undefined && engines?.graft === undefined) throw new PackageError("package.manifest", `${name}@${version} is no plugin of Graft: its package.json has no "graft" (its author adds "graft": "./index.js")`)
  const entries = Object.fromEntries(Object.entries(named).map(([id, path]) => [id, entryIn(directory, file, id, path)]))
  return { name, version, entries, ...(foreign && { shape: foreign.id }), ...(engines?.graft !== undefined && { engines: engines.graft }) }
}

function entryIn(directory: string, file: string, id: string, path: string): string {
  const entry = join(directory, path)
  if (relative(directory, entry).split(sep)[0] === "..") throw new PackageError("package.manifest", `${file}: the plugin "${id}" is ${path}, which lies outside the package`)
  if (!SOURCE.test(entry)) throw new PackageError("package.manifest", `${file}: the plugin "${id}" is ${path}, which is no source file`)
  if (statSync(entry, { throwIfNoEntry: false })?.isFile() !== true) throw new PackageError("package.manifest", `${file}: the plugin "${id}" is ${path}, which is not there: was the package built before it was published?`)
  return relative(directory, entry)
}

function json(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as unknown
  } catch (error) {
    throw new PackageError("package.manifest", `${file} cannot be read: ${String(error)}`)
  }
}
