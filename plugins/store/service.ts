/**
 * The service `store`: opened by whoever first reads or writes, with every prepared schema in place before that. One
 * connection reads and writes, so each read sees all that this process was told is stored.
 */
import { resolve } from "node:path"
import type Database from "better-sqlite3"
import { messageOf, type Graft } from "graft"
import { makeBlobs } from "./blobs.ts"
import { copyDatabase, shrink } from "./copy.ts"
import type { Migration, Params, Store } from "./contract.ts"
import { loadSqlite, openDatabase } from "./database.ts"
import { codeOf, explain } from "./errors.ts"
import type { Home } from "./home.ts"
import { makeLocks } from "./locks.ts"
import { migrate } from "./migrations.ts"
import { patiently } from "./patience.ts"
import { Statements } from "./statements.ts"
import { Writer } from "./writer.ts"

/** Milliseconds: another process may be making a backup under the lock. */
const MIGRATION = 120_000

interface Connection { database: Database; statements: Statements; writer: Writer }

export function makeStore(graft: Graft, home: Home): { service: Store; finish(): void } {
  const { file } = home
  let connection: Connection | undefined
  let opening: Promise<Connection> | undefined

  async function connect(): Promise<Connection> {
    if (connection) return connection
    const database = home.database ?? (await (home.opening ??= open()))
    const statements = new Statements(database, file)
    return (connection ??= { database, statements, writer: new Writer(home, database, statements) })
  }

  async function open(): Promise<Database> {
    try {
      const database = await openDatabase(home)
      graft.emit("store.opened", { file, version: versionOf(database) })
      return (home.database = database)
    } finally {
      home.opening = undefined
    }
  }

  /** Open, with every schema that was prepared in place. Who comes while others wait for that waits behind them. */
  function ready(): Connection | Promise<Connection> {
    if (opening) return opening
    if (connection && home.pending.size === 0) return connection
    const mine = (opening = prepared())
    const done = () => { if (opening === mine) opening = undefined }
    mine.then(() => setImmediate(done), done)
    return mine
  }

  async function prepared(): Promise<Connection> {
    const connected = await connect()
    while (home.pending.size > 0) await applyPrepared()
    return connected
  }

  /** An owner's mistake is its own: it is told, and whoever asks for its tables will miss them. */
  async function applyPrepared(): Promise<void> {
    for (const [owner, steps] of home.pending) {
      try {
        await apply(owner, steps)
      } catch (error) {
        if (!["store.migration", "store.newer"].includes(codeOf(error))) throw error
        graft.log.error(messageOf(error))
      }
      if (home.pending.get(owner) === steps) home.pending.delete(owner)
    }
  }

  async function apply(owner: string, steps: readonly Migration[]): Promise<void> {
    await connect()
    const done = await patient(() => migrate(home, owner, steps), MIGRATION)
    if (done) graft.emit("store.migrated", { owner, ...done })
  }

  async function patient<T>(work: () => T, most?: number): Promise<T> {
    try {
      return await patiently(work, undefined, most)
    } catch (error) {
      throw explain(error, file)
    }
  }

  const service: Store = {
    write(work) {
      const open = ready()
      return open instanceof Promise ? open.then(({ writer }) => writer.write(work)) : open.writer.write(work)
    },
    async get<T>(sql: string, params?: Params) {
      const { statements } = await ready()
      return patient(() => statements.reading(sql).get<T>(sql, params))
    },
    async all<T>(sql: string, params?: Params) {
      const { statements } = await ready()
      return patient(() => statements.reading(sql).all<T>(sql, params))
    },
    async prepare(owner, steps) {
      home.pending.set(owner, steps)
      opening = undefined
    },
    async migrate(owner, steps) {
      await apply(owner, steps)
      home.pending.delete(owner)
    },
    ...makeLocks(home),
    ...blobs(),
    async backup(target) {
      await ready()
      return patient(() => copyDatabase(loadSqlite(home), file, resolve(target)))
    },
    async shrink() {
      const { database } = await ready()
      return shrink(database, file)
    },
    async info() {
      const { database } = await ready()
      const is = <T>(pragma: string) => database.pragma(pragma, { simple: true }) as T
      return { file, bytes: is<number>("page_count") * is<number>("page_size"), version: versionOf(database), journal: is<string>("journal_mode"), synchronous: is<number>("synchronous"), commits: home.commits, writes: home.writes }
    },
  }

  function blobs(): Pick<Store, "putBlob" | "getBlob" | "blobs" | "dropBlob"> {
    const { put, get, list, drop } = makeBlobs(home.directory)
    return { putBlob: put, getBlob: get, blobs: list, dropBlob: drop }
  }

  return { service, finish: () => connection?.writer.finish() }
}

const versionOf = (database: Database): string => (database.prepare("SELECT sqlite_version() AS version").get() as { version: string }).version
