/** Opening the database: private files, the settings that durability rests on, and proof that they hold. */
import { chmodSync, closeSync, existsSync, openSync, statSync } from "node:fs"
import { createRequire } from "node:module"
import type Database from "better-sqlite3"
import { explain, StoreError } from "./errors.ts"
import { makePrivate, refuseNetwork, type Home } from "./home.ts"
import { patiently } from "./patience.ts"

/** Before 3.51.3 a checkpoint at the wrong moment could damage a database in WAL mode. */
const OLDEST = [3, 51, 3] as const
/** Milliseconds that SQLite blocks this thread for a lock; from then on it is waited for without blocking. */
const BLOCK = 20
/** Bytes of the -wal file that are kept after a checkpoint. */
const WAL = 16_777_216
/** Of the store's own tables. */
const LAYOUT = 1

const LEDGER = `CREATE TABLE IF NOT EXISTS migration (
  owner TEXT NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, min_reader INTEGER NOT NULL, applied INTEGER NOT NULL,
  PRIMARY KEY (owner, id)) STRICT, WITHOUT ROWID`

export async function openDatabase(home: Home): Promise<Database> {
  const { directory, file } = home
  let database: Database | undefined
  try {
    makePrivate(directory)
    refuseNetwork(directory)
    makePrivateFile(file)
    const Sqlite = loadSqlite(home)
    // Where others are just opening it, the switch to WAL is refused at once.
    return await patiently(() => configure((database = new Sqlite(file, { timeout: BLOCK })), file), () => database?.close())
  } catch (error) {
    database?.close()
    throw explain(error, file)
  }
}

const require = createRequire(import.meta.url)
/** When first needed, and by Node itself: an addon cannot be reloaded, so nobody has to resolve it anew. */
export const loadSqlite = (home: Home): typeof Database => (home.sqlite ??= require("better-sqlite3") as typeof Database)

/** SQLite gives the files beside it the same mode. An existing one is never opened here: closing it would release SQLite's own locks on it. */
export function makePrivateFile(file: string): void {
  if (!existsSync(file)) {
    try {
      closeSync(openSync(file, "wx", 0o600))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    }
  }
  if (process.platform === "win32") return
  for (const path of [file, `${file}-wal`, `${file}-shm`]) if (((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0) chmodSync(path, 0o600)
}

function configure(database: Database, file: string): Database {
  const is = (pragma: string) => database.pragma(pragma, { simple: true })
  // Counts only while there is no table: what is pruned one day can then be given back without rewriting the file.
  database.pragma("auto_vacuum = INCREMENTAL")
  database.pragma("journal_mode = WAL")
  // Per connection: one that finds the file in WAL mode would start at NORMAL, which a power cut can undo.
  database.pragma("synchronous = FULL")
  database.pragma("foreign_keys = ON")
  database.pragma(`journal_size_limit = ${WAL}`)
  const { version } = database.prepare("SELECT sqlite_version() AS version").get() as { version: string }
  if (isOlder(version)) throw new StoreError("store.unsupported", `SQLite ${version} is in use; ${OLDEST.join(".")} is the oldest that keeps a database in WAL mode whole. Reinstall the packages`)
  const [journal, synchronous] = [is("journal_mode"), is("synchronous")]
  if (journal !== "wal" || synchronous !== 2) throw new StoreError("store.unsupported", `${file}: journal ${String(journal)}, synchronous ${String(synchronous)} instead of wal and 2; this file system cannot share memory between processes. Name another directory in GRAFT_HOME`)
  const layout = is("user_version") as number
  if (layout > LAYOUT) throw new StoreError("store.newer", `${file} was made by a newer version (layout ${layout}, this program knows ${LAYOUT}): update this program, or name another directory in GRAFT_HOME`)
  if (layout < LAYOUT) database.exec(`BEGIN IMMEDIATE; ${LEDGER}; PRAGMA user_version = ${LAYOUT}; COMMIT`)
  return database
}

function isOlder(version: string): boolean {
  const parts = version.split(".").map(Number)
  for (const [i, least] of OLDEST.entries()) if (parts[i] !== least) return (parts[i] ?? 0) < least
  return false
}
