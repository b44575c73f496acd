/** Prepared statements by their text, so many at once. What SQLite throws is told as one of our errors. */
import type Database from "better-sqlite3"
import type { Params } from "./contract.ts"
import { explain, isBusy, StoreError } from "./errors.ts"

const MOST = 256

export class Statements {
  readonly #database: Database
  readonly #file: string
  readonly #prepared = new Map<string, Database.Statement>()

  constructor(database: Database, file: string) {
    this.#database = database
    this.#file = file
  }

  run(sql: string, params: Params = []): { changes: number; rowid: number } {
    const { changes, lastInsertRowid } = this.#do("run", sql, params) as { changes: number; lastInsertRowid: number }
    return { changes, rowid: lastInsertRowid }
  }

  get<T>(sql: string, params: Params = []): T | undefined { return this.#do("get", sql, params) as T | undefined }
  all<T>(sql: string, params: Params = []): T[] { return this.#do("all", sql, params) as T[] }

  /** Only what changes nothing may run outside of a write. */
  reading(sql: string): this {
    try {
      if (this.#prepare(sql).readonly) return this
    } catch (error) {
      throw isBusy(error) ? error : explain(error, this.#file, sql)
    }
    throw new StoreError("store.sql", `this changes something, and belongs in a write: ${sql.slice(0, 200)}`)
  }

  #do(how: "run" | "get" | "all", sql: string, params: Params): unknown {
    try {
      return (this.#prepared.get(sql) ?? this.#prepare(sql))[how](params)
    } catch (error) {
      // Whoever can wait for a lock has to see that it is one.
      throw isBusy(error) ? error : explain(error, this.#file, sql)
    }
  }

  #prepare(sql: string): Database.Statement {
    const known = this.#prepared.get(sql)
    if (known) return known
    if (this.#prepared.size >= MOST) this.#prepared.delete(this.#prepared.keys().next().value!)
    const statement = this.#database.prepare(sql)
    this.#prepared.set(sql, statement)
    return statement
  }
}
