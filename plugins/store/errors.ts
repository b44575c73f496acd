/**
 * What can go wrong with the database, as a closed set. SQLite and the system say it in dozens of codes; what matters is
 * what to do about it, so each is told as one of ours, with the file and the way out.
 */
export type StoreErrorCode =
  | "store.newer" | "store.readonly" | "store.full" | "store.busy" | "store.conflict" | "store.corrupt"
  | "store.io" | "store.migration" | "store.unsupported" | "store.exists" | "store.sql"

export class StoreError extends Error {
  readonly code: StoreErrorCode
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = "StoreError"
    this.code = code
  }
}

/** The first that matches. `{home}` is the directory of the file. */
const MEANINGS: readonly (readonly [RegExp, StoreErrorCode, string])[] = [
  [/^SQLITE_(BUSY|LOCKED)/, "store.busy", "another process keeps it locked; nothing of this was stored. Try again, or end that process"],
  [/^SQLITE_READONLY_DBMOVED/, "store.readonly", "it was moved or deleted while it was open; restart"],
  [/^(SQLITE_(READONLY|CANTOPEN|PERM)|EACCES|EPERM|EROFS|ENOTDIR|EEXIST|EISDIR)/, "store.readonly", "it cannot be written. Make {home} a directory that this user may write, or name another one in GRAFT_HOME"],
  [/^(SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)/, "store.full", "the disk is full; nothing of this was stored. Make room and try again"],
  [/^SQLITE_(CORRUPT|NOTADB)/, "store.corrupt", "it is damaged. Move it away, with the -wal and -shm beside it, to begin anew; older states may be in {home}/backups"],
  [/^SQLITE_CONSTRAINT/, "store.conflict", "it contradicts what is stored; nothing of this was stored"],
  [/^(SQLITE_IOERR|EIO)/, "store.io", "the disk failed; nothing of this was stored. Check the disk and the system's log"],
  [/^SQLITE_/, "store.sql", "SQLite refuses this"],
]

export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? "")
export const isBusy = (error: unknown): boolean => /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error))

/** What SQLite or the system threw, as one of ours; what is neither stays as it is. With `sql`: what its parameters were refused for, too. */
export function explain(error: unknown, file: string, sql?: string): unknown {
  if (error instanceof StoreError) return error
  const thrown = codeOf(error) || (sql === undefined ? "" : "SQLITE_MISUSE")
  const [, code, advice] = MEANINGS.find(([pattern]) => pattern.test(thrown)) ?? []
  if (!code || !advice) return error
  const home = file.slice(0, Math.max(file.lastIndexOf("/"), file.lastIndexOf("\\")))
  const statement = sql === undefined ? "" : `: ${sql.replaceAll(/\s+/g, " ").trim().slice(0, 200)}`
  return new StoreError(code, `${file}: ${advice.replace("{home}", home)} (${(error as Error).message}${statement})`, { cause: error })
}
