/**
 * Which instruction files speak for a directory, and what they say. Pure but for the file system: a file is read again
 * only when its stat changed, and one that a link leads out of the project to is left alone.
 */
import { createHash } from "node:crypto"
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, statSync } from "node:fs"
import { dirname, join } from "node:path"
import { messageOf } from "graft"
import { inside } from "../lib/confine.ts"
import { foreignInstructions, type Foreign } from "../lib/foreign-places.ts"
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

/** The user's and the project's own, and what other agents have of the user: told of when they change. Those of deeper directories are when they are next asked for. */
export const instructionFiles = (configDirectory: string, location: string): string[] => [...[configDirectory, location].flatMap((at) => NAMES.map((name) => join(at, name))), ...foreignInstructions().map(({ path }) => path)]

/** What the user wrote for other agents, each text once. */
export function foreignTexts(cache: Cache, own: Instructions | undefined, isOff: (from: Foreign, scope: string) => boolean): Instructions[] {
  const known = new Set([own?.text, ""])
  return foreignInstructions().flatMap(({ from, path }) => {
    const read = isOff(from, "user") ? undefined : readInstructions(cache, path, "user")
    if (!read || (known.has(read.text) && !read.problem)) return []
    known.add(read.text)
    return [read]
  })
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
  if (directory === location || !inside(location, directory)) return [directory]
  return [...directoriesBetween(location, dirname(directory)), directory]
}

export function readInstructions(cache: Cache, file: string, scope: InstructionFile["scope"], within?: string): Instructions | undefined {
  const stamp = stampOf(file)
  if (stamp === undefined) return void cache.delete(file)
  const known = cache.get(file)
  if (known?.stamp === stamp) return known.read
  const read = { ...load(file, within), file, scope }
  cache.set(file, { stamp, read })
  return read
}

/** Changes whenever the file may have; undefined where there is none. What cannot be looked at is there, and will be said to be wrong. */
function stampOf(file: string): string | undefined {
  try {
    const stat = statSync(file, { throwIfNoEntry: false })
    return stat?.isFile() ? `${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}` : undefined
  } catch (error) {
    return messageOf(error)
  }
}

type Loaded = Pick<Instructions, "bytes" | "hash" | "text" | "problem">

function load(file: string, within: string | undefined): Loaded {
  const refused = (problem: string): Loaded => ({ bytes: 0, hash: "", text: "", problem })
  try {
    const real = realpathSync(file)
    if (within !== undefined && !inside(within, real)) return refused(`${file} is a link out of the project (to ${real}) and is not read`)
    const { head, size } = readHead(real)
    if (head.includes(0)) return refused(`${file} is a binary file, and is not read`)
    const text = new TextDecoder().decode(head, { stream: true }).trim()
    return { bytes: size, hash: createHash("sha256").update(head).update(String(size)).digest("hex"), text, ...(size > MOST_BYTES && { problem: `${file} has ${size} bytes; only the first ${MOST_BYTES} are used` }) }
  } catch (error) {
    return refused(`${file} cannot be read: ${messageOf(error)}`)
  }
}

/** As much of a file as is used, and how long it is; never more in memory, and never a pipe. */
function readHead(real: string): { head: Buffer; size: number } {
  const descriptor = openSync(real, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  try {
    const head = Buffer.alloc(MOST_BYTES)
    let length = 0
    for (let read = -1; read !== 0 && length < MOST_BYTES; length += read) read = readSync(descriptor, head, length, MOST_BYTES - length, length)
    return { head: head.subarray(0, length), size: Math.max(fstatSync(descriptor).size, length) }
  } finally {
    closeSync(descriptor)
  }
}
