/**
 * The one writer of this process. Everything asked for in one turn of the loop goes into one transaction, a savepoint
 * each, in the order in which it was asked for: so what is durable implies everything before it, and fifty sessions cost
 * one fsync. It runs on this thread: a full queue is therefore written at once, in the time of whoever fills it.
 */
import type Database from "better-sqlite3"
import { point } from "../lib/crash.ts"
import type { Params, Statement, Tx } from "./contract.ts"
import { explain, isBusy, StoreError } from "./errors.ts"
import type { Home } from "./home.ts"
import { PATIENCE, patiently } from "./patience.ts"
import type { Statements } from "./statements.ts"

/** Works that may wait while another process holds the lock. */
const MOST = 1_000

interface Job { work(tx: Tx): unknown; resolve(value: unknown): void; reject(error: unknown): void; done?: { value: unknown } | { error: unknown } }

export class Writer {
  readonly #home: Home
  readonly #database: Database
  readonly #statements: Statements
  readonly #patience: number
  readonly #steps: Record<"begin" | "commit" | "rollback" | "save" | "release" | "undo", Database.Statement>
  #queue: Job[] = []
  #state: "idle" | "scheduled" | "writing" | "waiting" = "idle"

  constructor(home: Home, database: Database, statements: Statements, patience = PATIENCE) {
    this.#home = home
    this.#database = database
    this.#statements = statements
    this.#patience = patience
    const step = (sql: string) => database.prepare(sql)
    this.#steps = { begin: step("BEGIN IMMEDIATE"), commit: step("COMMIT"), rollback: step("ROLLBACK"), save: step("SAVEPOINT work"), release: step("RELEASE work"), undo: step("ROLLBACK TO work") }
  }

  write<T>(work: (tx: Tx) => T): Promise<T> {
    if (this.#queue.length >= MOST && this.#state === "scheduled") this.#flush()
    if (this.#queue.length >= MOST) return Promise.reject(new StoreError("store.busy", `${this.#home.file}: ${MOST} writes wait already, because another process keeps it locked; this one was refused`))
    return new Promise((resolve, reject) => {
      this.#queue.push({ work, resolve: resolve as Job["resolve"], reject })
      this.#schedule()
    })
  }

  /** Nothing is asked for any more: what waits is written now, or refused. */
  finish(): void {
    if (this.#state !== "writing") this.#flush()
    this.#refuse(new StoreError("store.busy", `${this.#home.file}: another process kept it locked until the end; this was not stored`))
  }

  #schedule(): void {
    if (this.#state !== "idle" || this.#queue.length === 0) return
    this.#state = "scheduled"
    setImmediate(() => { if (this.#state === "scheduled") this.#flush() })
  }

  /** The first try is made now; as long as the lock is held by others, everybody waits. */
  #flush(): void {
    patiently(() => this.#transaction(), () => { this.#state = "waiting" }, this.#patience).catch((error: unknown) => {
      this.#state = "idle"
      this.#refuse(explain(error, this.#home.file))
    })
  }

  #refuse(error: unknown): void {
    for (const job of this.#queue.splice(0)) job.reject(error)
  }

  /** Throws only when the lock is held by others; then everything still waits. */
  #transaction(): void {
    if (this.#queue.length === 0) return void (this.#state = "idle")
    const { begin, commit, rollback } = this.#steps
    let failure: { error: unknown } | undefined
    try {
      begin.run()
    } catch (error) {
      if (isBusy(error)) throw error
      failure = { error }
    }
    this.#state = "writing"
    const jobs = this.#queue
    this.#queue = []
    try {
      if (!failure) for (const job of jobs) this.#perform(job, jobs.length === 1)
      if (!failure) {
        point("commit.before")
        commit.run()
        point("commit.after")
      }
    } catch (error) {
      failure = { error }
      if (this.#database.inTransaction) rollback.run()
    }
    this.#state = "idle"
    this.#tell(jobs, failure && { error: explain(failure.error, this.#home.file) })
    this.#schedule()
  }

  /** One work in its savepoint; who is `alone` needs none. Throws when the whole transaction is given up, as SQLite does when the disk is full. */
  #perform(job: Job, alone: boolean): void {
    const { save, undo, release } = this.#steps
    const tx = new Work(this.#statements)
    if (!alone) save.run()
    try {
      const value = job.work(tx)
      if (typeof (value as PromiseLike<unknown> | undefined)?.then === "function") throw new TypeError("the work of a write is synchronous: await before it, or after it")
      job.done = { value }
    } catch (error) {
      job.done = { error: isBusy(error) ? explain(error, this.#home.file) : error }
      if (alone || !this.#database.inTransaction) throw error
      undo.run()
    } finally {
      tx.end()
    }
    if (!alone) release.run()
  }

  #tell(jobs: readonly Job[], failure: { error: unknown } | undefined): void {
    const written = failure ? 0 : jobs.filter(({ done }) => "value" in done!).length
    this.#home.commits += written > 0 ? 1 : 0
    this.#home.writes += written
    for (const { done, resolve, reject } of jobs) {
      if (done && "error" in done) reject(done.error)
      else if (failure) reject(failure.error)
      else resolve(done!.value)
    }
  }
}

/** What a work may do, while it runs. */
class Work implements Tx {
  readonly #statements: Statements
  #ended = false

  constructor(statements: Statements) { this.#statements = statements }

  run(sql: string, params?: Params): { changes: number; rowid: number } { return this.#open().run(sql, params) }
  get<T>(sql: string, params?: Params): T | undefined { return this.#open().get<T>(sql, params) }
  all<T>(sql: string, params?: Params): T[] { return this.#open().all<T>(sql, params) }

  apply({ sql, params, expect }: Statement): void {
    const { changes } = this.run(sql, params)
    if (expect !== undefined && changes !== expect) throw new StoreError("store.conflict", `${changes} rows instead of ${expect} would have changed: ${sql}`)
  }

  end(): void { this.#ended = true }

  #open(): Statements {
    if (this.#ended) throw new StoreError("store.sql", "this transaction has ended: use it only inside the work that was given to write")
    return this.#statements
  }
}
