/** Copies of the database and room on the disk: what is done to the file as a whole, while others read and write it. */
import { closeSync, fsyncSync, openSync, rmSync, statSync } from "node:fs"
import { setImmediate as turn } from "node:timers/promises"
import type Database from "better-sqlite3"
import { explain, StoreError } from "./errors.ts"
import { patiently } from "./patience.ts"

/** Pages that are given back at once: a few milliseconds of the write lock. */
const SLICE = 256

/** A second connection sees the last commit, whatever the first one is about to write. The copy is compact, and on the disk when this returns. */
export function copyDatabase(Sqlite: typeof Database, file: string, target: string): { bytes: number } {
  const handle = openNew(target)
  try {
    const source = new Sqlite(file, { readonly: true, fileMustExist: true })
    try {
      source.prepare("VACUUM INTO ?").run(target)
    } finally {
      source.close()
    }
    fsyncSync(handle)
    return { bytes: statSync(target).size }
  } catch (error) {
    rmSync(target, { force: true })
    throw error
  } finally {
    closeSync(handle)
  }
}

/** An empty file is what VACUUM INTO may write to; so nobody else gets the name in between, and only the owner may read it. */
function openNew(target: string): number {
  try {
    return openSync(target, "wx", 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw new StoreError("store.exists", `${target} exists already, and nothing is overwritten: name another file`)
    throw new StoreError("store.readonly", `${target} cannot be written (${(error as Error).message}): name a new file in a directory that is there and that this user may write`, { cause: error })
  }
}

/** Free pages leave the file in slices, so that nobody waits long for the lock; then the -wal is folded in as far as readers let it. */
export async function shrink(database: Database, file: string): Promise<{ bytes: number }> {
  const count = (pragma: string) => database.pragma(pragma, { simple: true }) as number
  const before = count("page_count")
  try {
    for (let free = count("freelist_count"); free > 0; ) {
      await patiently(() => database.pragma(`incremental_vacuum(${SLICE})`))
      const left = count("freelist_count")
      if (left >= free) break
      free = left
      await turn()
    }
    const bytes = (before - count("page_count")) * count("page_size")
    await patiently(() => database.pragma("wal_checkpoint(PASSIVE)"))
    return { bytes }
  } catch (error) {
    throw explain(error, file)
  }
}
