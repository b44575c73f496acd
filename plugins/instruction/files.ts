/**
 * Which instruction files speak for a directory, and what they say. Pure but for the file system: a file is read again
 * only when its stat changed, and one that a link leads out of the project to is left alone.
 */
import { createHash } from "node:crypto"
import { readFileSync, realpathSync, statSync } from "node:fs"
import { dirname, isAbsolute, join, relative } from "node:path"
import type { InstructionFile } from "./contract.ts"

/** In order: where the first is, the second is not read. */
const NAMES = ["AGENTS.md", "CLAUDE.md"]
/** What one file may add to every request. */
export const MOST_BYTES = 64 * 1024

export interface Instructions extends InstructionFile { text: string; /** Why not all of it is used. */ problem?: string }
export type Cache = Map<string, { stamp: string; read: Instructions }>

/** Where instructions for a directory may stand, farthest first: the user's, then from the project's top down. */
export function placesFor(configDirectory: string, location: string, directory: string): { at: string; scope: InstructionFile["scope"] }[] {
  return [{ at: configDirectory, scope: "user" }, ...directoriesBetween(location, directory).map((at) => ({ at, scope: at === location ? ("project" as const) : ("directory" as const) }))]
}

export function instructionsAt(cache: Cache, location: string, { at, scope }: { at: string; scope: InstructionFile["scope"] }): Instructions | undefined {
  for (const name of NAMES) {
    const read = readInstructions(cache, join(at, name), scope, scope === "user" ? undefined : location)
    if (read) return read
  }
  return undefined
}

/** `/p`, `/p/a`, `/p/a/b` for a directory inside its project; the directory alone when it is not. */
export function directoriesBetween(location: string, directory: string): string[] {
  const path = relative(location, directory)
  if (path === "") return [location]
  if (path.startsWith("..") || isAbsolute(path)) return [directory]
  const above = directoriesBetween(location, dirname(directory))
  return [...above, directory]
}

function readInstructions(cache: Cache, file: string, scope: InstructionFile["scope"], inside?: string): Instructions | undefined {
  const stat = statSync(file, { throwIfNoEntry: false })
  if (!stat?.isFile()) return void cache.delete(file)
  const stamp = `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`
  const known = cache.get(file)
  if (known?.stamp === stamp) return known.read
  const read = { ...load(file, inside), file, scope }
  cache.set(file, { stamp, read })
  return read
}

function load(file: string, inside: string | undefined): Pick<Instructions, "bytes" | "hash" | "text" | "problem"> {
  const nothing = { bytes: 0, hash: "", text: "" }
  try {
    const real = realpathSync(file)
    if (inside !== undefined && relative(inside, real).startsWith("..")) return { ...nothing, problem: `${file} is a link out of the project (to ${real}) and is not read` }
    const bytes = readFileSync(real)
    const hash = createHash("sha256").update(bytes).digest("hex")
    const text = new TextDecoder().decode(bytes.subarray(0, MOST_BYTES), { stream: true }).trim()
    return { bytes: bytes.length, hash, text, ...(bytes.length > MOST_BYTES && { problem: `${file} has ${bytes.length} bytes; only the first ${MOST_BYTES} are used` }) }
  } catch (error) {
    return { ...nothing, problem: `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}
