/** The files below a directory, by ripgrep: no link is followed, nothing that .gitignore names is entered, and it ends at its bounds. */
import { stat } from "node:fs/promises"
import { join } from "node:path"
import { inDirectory } from "../lib/confine.ts"
import { ignoring, ripgrep } from "../lib/ripgrep.ts"

export interface Wanted { /** Real path. */ root: string; /** The project: its .gitignore files count from here down. */ location: string; matches(path: string): boolean; deadline: number; entries: number; signal: AbortSignal }
export interface Files { /** Relative to the root. */ paths: string[]; /** Why it ended early. */ partial?: string }

const MAX_BYTES = 64 * 1024 * 1024

export async function findFiles({ root, location, matches, deadline, entries, signal }: Wanted): Promise<Files> {
  const paths: string[] = []
  let seen = 0
  const { partial } = await inDirectory(root, (directory) => ripgrep({
    arguments: ["--files", ...ignoring(location, root)], target: "./", directory, separator: "\0", bytes: MAX_BYTES, deadline, signal,
    take(record) {
      if (++seen > entries) return `stopped after ${entries} files`
      const path = record.slice(2)
      if (matches(path)) paths.push(path)
    },
  }))
  return { paths, ...(partial !== undefined && { partial }) }
}

/** Latest change first, which is what a question about files is mostly about. */
export async function byAge(root: string, paths: readonly string[]): Promise<string[]> {
  const times = await Promise.all(paths.map(async (path) => ({ path, time: (await stat(join(root, path)).catch(() => undefined))?.mtimeMs ?? 0 })))
  return times.sort((a, b) => b.time - a.time || (a.path < b.path ? -1 : 1)).map(({ path }) => path)
}
