/** Prepared statements by their text: the ones used last stay prepared. What SQLite throws is told as one of our errors. */
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

  run(sql: string, params: Params = []): { changes: number } { return this.#with(sql, (statement) => statement.run(params)) }
  get<T>(sql: string, params: Params = []): T | undefined { return this.#with(sql, (statement) => statement.get(params) as T | undefined) }
  all<T>(sql: string, params: Params = []): T[] { return this.#with(sql, (statement) => statement.all(params) as T[]) }

  /** Only what changes nothing may run outside of a write. */
  reading(sql: string): this {
    if (!this.#with(sql, (statement) => statement.readonly)) throw new StoreError("store.sql", `this changes something, and belongs in a write: ${sql.slice(0, 200)}`)
    return this
  }

  /** The schema changed. */
  forget(): void { this.#prepared.clear() }

  #with<R>(sql: string, use: (statement: Database.Statement) => R): R {
    try {
      let statement = this.#prepared.get(sql)
      if (statement) this.#prepared.delete(sql)
      else {
        statement = this.#database.prepare(sql)
        if (this.#prepared.size >= MOST) this.#prepared.delete(this.#prepared.keys().next().value!)
      }
      this.#prepared.set(sql, statement)
      return use(statement)
    } catch (error) {
      // Whoever can wait for a lock has to see that it is one.
      throw isBusy(error) ? error : explain(error, this.#file, sql)
    }
  }
}
