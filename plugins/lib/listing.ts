/** What a directory holds, as a model reads it: one entry a line, bounded, links shown with where they lead. */
import type { Stats } from "node:fs"
import { lstat, opendir, readlink } from "node:fs/promises"
import { join } from "node:path"
import { inDirectory } from "./confine.ts"

const MAX_COUNTED = 100_000

/** `left`: what is not shown, in words; empty where all is. Beyond 100,000 nobody counts. */
export interface Listing { lines: string[]; total: number; left: string }

/** Sorted by name, directories with a slash, files with their size in bytes. */
export function listDirectory(real: string, limit: number): Promise<Listing> {
  return inDirectory(real, async (directory) => {
    const names: string[] = []
    for await (const entry of await opendir(directory)) if (names.push(entry.name) >= MAX_COUNTED) break
    names.sort()
    const lines = await Promise.all(names.slice(0, limit).map(async (name) => describe(name, join(directory, name), await lstat(join(directory, name)).catch(() => undefined))))
    const left = names.length > limit ? `${names.length < MAX_COUNTED ? "" : "at least "}${names.length - lines.length} more` : ""
    return { lines, total: names.length, left }
  })
}

/** A name as one line: one that holds control characters is shown as JSON. */
export const shownName = (name: string): string => (/[\p{Cc}\u2028\u2029]/u.test(name) ? JSON.stringify(name) : name)

async function describe(name: string, path: string, status: Stats | undefined): Promise<string> {
  const shown = shownName(name)
  if (status === undefined) return `${shown}  (${name.includes("\uFFFD") ? "its name is not UTF-8" : "gone"})`
  if (status.isDirectory()) return `${shown}/`
  if (status.isSymbolicLink()) return `${shown} -> ${shownName(await readlink(path).catch(() => "?"))}`
  return status.isFile() ? `${shown}  ${status.size}` : `${shown}  (special file)`
}
