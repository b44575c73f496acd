/**
 * Who is alive: a name is held by a transaction that never ends, on a small database of its own. The system lets go of
 * it when the process dies, however it dies; no clock and no heartbeat can be wrong about it.
 */
import { existsSync, rmSync } from "node:fs"
import { join } from "node:path"
import type Database from "better-sqlite3"
import { loadSqlite, makePrivateFile } from "./database.ts"
import { codeOf, explain, isBusy, StoreError } from "./errors.ts"
import { makePrivate, release, type Home } from "./home.ts"

export interface Locks {
  hold(name: string): Promise<boolean>
  isHeld(name: string): Promise<boolean>
  letGo(name: string): Promise<void>
}

export const makeLocks = (home: Home): Locks => ({
  async hold(name) {
    if (home.locks.has(name)) return true
    const file = fileOf(home, name)
    const Sqlite = loadSqlite(home)
    let lock: Database | undefined
    try {
      makePrivate(join(home.directory, "locks"))
      makePrivateFile(file)
      lock = new Sqlite(file, { timeout: 0 })
      // It is never written to; a journal on disk would only be left behind.
      lock.pragma("journal_mode = MEMORY")
      lock.exec("BEGIN EXCLUSIVE")
      home.locks.set(name, lock)
      return true
    } catch (error) {
      lock?.close()
      if (isBusy(error)) return false
      throw explain(error, file)
    }
  },

  async isHeld(name) {
    if (home.locks.has(name)) return true
    const file = fileOf(home, name)
    if (!existsSync(file)) return false
    const Sqlite = loadSqlite(home)
    let probe: Database | undefined
    try {
      probe = new Sqlite(file, { timeout: 0, fileMustExist: true })
      probe.prepare("SELECT 1 FROM sqlite_schema").get()
    } catch (error) {
      if (isBusy(error)) return true
      if (codeOf(error) !== "SQLITE_CANTOPEN") throw explain(error, file)
    } finally {
      probe?.close()
    }
    // Names are not used again: what nobody holds is left over.
    rmSync(file, { force: true })
    return false
  },

  async letGo(name) { release(home, name) },
})

function fileOf(home: Home, name: string): string {
  if (!/^[\w-]{1,100}$/.test(name)) throw new StoreError("store.sql", `"${name.slice(0, 100)}" cannot be the name of a lock: letters, digits, "_" and "-"`)
  return join(home.directory, "locks", name)
}
