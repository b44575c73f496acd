/** What a directory holds, as a model reads it: one entry a line, bounded, links shown with where they lead. */
import type { Stats } from "node:fs"
import { lstat, opendir, readlink } from "node:fs/promises"
import { join } from "node:path"
import { inDirectory } from "./confine.ts"

const MAX_COUNTED = 100_000

export interface Listing { lines: string[]; total: number; more: boolean }

/** Sorted by name, directories with a slash, files with their size in bytes. */
export function listDirectory(real: string, limit: number): Promise<Listing> {
  return inDirectory(real, async (directory) => {
    const names: string[] = []
    for await (const entry of await opendir(directory)) if (names.push(entry.name) >= MAX_COUNTED) break
    names.sort()
    const lines = await Promise.all(names.slice(0, limit).map(async (name) => describe(name, join(directory, name), await lstat(join(directory, name)).catch(() => undefined))))
    return { lines, total: names.length, more: names.length > limit }
  })
}

async function describe(name: string, path: string, status: Stats | undefined): Promise<string> {
  const shown = /\p{Cc}/u.test(name) ? JSON.stringify(name) : name
  if (status === undefined) return `${shown}  (gone)`
  if (status.isDirectory()) return `${shown}/`
  if (status.isSymbolicLink()) return `${shown} -> ${await readlink(path).catch(() => "?")}`
  return status.isFile() ? `${shown}  ${status.size}` : `${shown}  (special file)`
}
