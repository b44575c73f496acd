/**
 * The service `store`: opened by whoever first reads or writes, with every prepared schema in place before that. One
 * connection reads and writes, so each read sees all that this process was told is stored.
 */
import type Database from "better-sqlite3"
import { Moved, type Graft } from "graft"
import { makeBlobs } from "./blobs.ts"
import type { Migration, Params, Store } from "./contract.ts"
import { openDatabase } from "./database.ts"
import { codeOf, explain } from "./errors.ts"
import { release, type Home } from "./home.ts"
import { makeLocks } from "./locks.ts"
import { migrate } from "./migrations.ts"
import { patiently } from "./patience.ts"
import { Statements } from "./statements.ts"
import { Writer } from "./writer.ts"

/** Milliseconds: another process may be making a backup under the lock. */
const MIGRATION = 120_000

interface Connection { database: Database; statements: Statements; writer: Writer }

export function makeStore(graft: Graft, home: Home): { service: Store; finish(): void } {
  let connection: Connection | undefined
  let preparing: Promise<void> | undefined

  async function open(): Promise<Connection> {
    if (connection) return connection
    const fresh = home.database === undefined
    home.opening ??= openDatabase(home).finally(() => { home.opening = undefined })
    const database = (home.database ??= await home.opening)
    if (connection) return connection
    if (fresh) graft.emit("store.opened", { file: home.file, version: (database.prepare("SELECT sqlite_version() AS version").get() as { version: string }).version })
    const statements = new Statements(database, home.file)
    return (connection = { database, statements, writer: new Writer(home, database, statements) })
  }
}
