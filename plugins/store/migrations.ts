/**
 * Schema changes by owner. What is to be done is decided from the ledger alone; it is done in one transaction that holds
 * the write lock from the first look to the last step, so of many processes one does it and the others find it done.
 */
import { createHash } from "node:crypto"
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import type Database from "better-sqlite3"
import { point } from "../lib/crash.ts"
import type { Migration } from "./contract.ts"
import { copyDatabase } from "./copy.ts"
import { explain, isBusy, StoreError } from "./errors.ts"
import { makePrivate, type Home } from "./home.ts"

/** Backups that are kept, the latest. */
const BACKUPS = 3

export interface Applied { id: number; name: string; checksum: string; min_reader: number }

/** Which steps are missing. Throws when the database is ahead of this program, or when the past was changed. */
export function missingSteps(owner: string, steps: readonly Migration[], applied: readonly Applied[], file: string): readonly Migration[] {
  const wrong = (what: string) => new StoreError("store.migration", `the steps of ${owner} for ${file}: ${what}`)
  if (steps.some(({ id }, i) => id !== i + 1)) throw wrong(`they must count 1, 2, 3 …, and are ${steps.map(({ id }) => id).join(", ")}`)
  const newest = applied.at(-1)
  if (applied.some(({ min_reader }) => min_reader > steps.length)) throw new StoreError("store.newer", `${file} was last used by a newer version (${owner}: step ${newest!.id} "${newest!.name}", this program knows ${steps.length}): update this program, or name another directory in GRAFT_HOME`)
  for (const { id, name, checksum } of applied) {
    const step = steps[id - 1]
    if (step && checksumOf(step) !== checksum) throw wrong(`step ${id} "${name}" was applied when it read differently; undo the edit, and put the change into a step ${steps.length + 1}`)
  }
  return steps.slice(applied.length)
}

/** Layout does not count. */
const checksumOf = ({ sql }: Migration): string => createHash("sha256").update(sql.replaceAll(/\s+/g, " ").trim()).digest("base64url")

/** Throws SQLite's own "busy" when another process holds the lock; then it can be tried again. */
export function migrate({ database, directory, file, sqlite }: Home, owner: string, steps: readonly Migration[]): { from: number; to: number } | undefined {
  const missing = () => missingSteps(owner, steps, database!.prepare("SELECT id, name, checksum, min_reader FROM migration WHERE owner = ? ORDER BY id").all(owner) as Applied[], file)
  if (missing().length === 0) return undefined
  database!.exec("BEGIN IMMEDIATE")
  try {
    const todo = missing()
    const from = steps.length - todo.length
    // An owner's first step makes its tables: nothing of it can be lost yet.
    if (from > 0 && todo.length > 0 && hasRows(database!)) backUp(sqlite!, directory, file, `${owner}-${from}`)
    database!.pragma("defer_foreign_keys = ON")
    for (const step of todo) apply(database!, owner, step, file)
    point("migration.before")
    database!.exec("COMMIT")
    point("migration.after")
    return todo.length > 0 ? { from, to: steps.length } : undefined
  } catch (error) {
    if (database!.inTransaction) database!.exec("ROLLBACK")
    throw isBusy(error) ? error : explain(error, file)
  }
}

function apply(database: Database, owner: string, step: Migration, file: string): void {
  try {
    if (/(^|;)\s*(COMMIT|ROLLBACK|END\s+TRANSACTION)\b/i.test(step.sql)) throw new Error("it ends the transaction that all steps share")
    database.exec(step.sql)
  } catch (error) {
    const explained = explain(error, file)
    if (explained instanceof StoreError && explained.code !== "store.sql" && explained.code !== "store.conflict") throw explained
    throw new StoreError("store.migration", `step ${step.id} "${step.name}" of ${owner} failed, and ${file} is as it was before: ${(error as Error).message}`, { cause: error })
  }
  database.prepare("INSERT INTO migration (owner, id, name, checksum, min_reader, applied) VALUES (?, ?, ?, ?, ?, ?)").run(owner, step.id, step.name, checksumOf(step), step.minReader ?? step.id, Date.now())
}

function hasRows(database: Database): boolean {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name <> 'migration'").all() as { name: string }[]
  return tables.some(({ name }) => database.prepare(`SELECT 1 FROM "${name.replaceAll('"', '""')}" LIMIT 1`).get() !== undefined)
}

function backUp(Sqlite: typeof Database, directory: string, file: string, name: string): void {
  const backups = join(directory, "backups")
  makePrivate(backups)
  copyDatabase(Sqlite, file, join(backups, `${new Date().toISOString().replaceAll(/[:.]/g, "-")}-${name.replaceAll(/[^\w-]/g, "_")}.db`))
  const old = readdirSync(backups).filter((entry) => entry.endsWith(".db")).sort().slice(0, -BACKUPS)
  for (const entry of old) rmSync(join(backups, entry), { force: true })
}
