/** As much of better-sqlite3 as the store uses; the package brings no types of its own. */
declare module "better-sqlite3" {
  namespace Database {
    interface Statement {
      /** It changes nothing. */
      readonly readonly: boolean
      run(...params: unknown[]): { changes: number; lastInsertRowid: number | bigint }
      get(...params: unknown[]): unknown
      all(...params: unknown[]): unknown[]
    }
    interface Options { readonly?: boolean; fileMustExist?: boolean; /** Milliseconds that SQLite itself waits for a lock, on this thread. */ timeout?: number }
  }

  class Database {
    constructor(file: string, options?: Database.Options)
    readonly name: string
    readonly open: boolean
    readonly inTransaction: boolean
    prepare(sql: string): Database.Statement
    exec(sql: string): this
    pragma(source: string, options: { simple: true }): unknown
    pragma(source: string): unknown[]
    close(): this
  }

  export default Database
}
