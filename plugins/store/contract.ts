import type { Notify } from "graft"

export type SqlValue = string | number | bigint | null | Uint8Array
export type Params = readonly SqlValue[]
export interface Statement { sql: string; params?: Params; /** Exact number of rows it must change; another number rolls this work back (`store.conflict`). */ expect?: number }

/** Valid only inside the `write` that received it; everything is synchronous. */
export interface Tx {
  /** `rowid` is that of the last row that this connection inserted. */
  run(sql: string, params?: Params): { changes: number; rowid: number }
  get<T = Record<string, SqlValue>>(sql: string, params?: Params): T | undefined
  all<T = Record<string, SqlValue>>(sql: string, params?: Params): T[]
  /** Runs a statement with its expectation. */
  apply(statement: Statement): void
}

/** `id` counts from 1 per owner. `minReader` is the lowest step a program must know to open the database afterwards; default: this one. */
export interface Migration { id: number; name: string; sql: string; minReader?: number }

/**
 * The one SQLite database of this home (WAL, synchronous=FULL). Errors carry `code`: `store.newer` (made by a newer
 * version), `store.readonly`, `store.full`, `store.busy` (another process kept the lock for 15 s, or 1,000 writes wait
 * for it), `store.conflict` (an `expect` or a constraint was not met), `store.corrupt`, `store.io` (the disk failed),
 * `store.migration` (a step failed, or one that was applied has been edited), `store.unsupported` (network file system),
 * `store.exists` (a backup overwrites nothing), `store.sql`.
 */
export interface Store {
  /** All work of one tick shares one BEGIN IMMEDIATE; each has a savepoint, so a throw undoes that work alone. Resolves after the commit is on disk. */
  write<T>(work: (tx: Tx) => T): Promise<T>
  get<T = Record<string, SqlValue>>(sql: string, params?: Params): Promise<T | undefined>
  all<T = Record<string, SqlValue>>(sql: string, params?: Params): Promise<T[]>
  /** Applies what is missing, in one transaction, serialised across processes; a backup is made before an owner's later steps when rows exist. Idempotent. */
  migrate(owner: string, steps: readonly Migration[]): Promise<void>
  /** The same before the next read or write, whoever makes it; costs nothing until then. */
  prepare(owner: string, steps: readonly Migration[]): Promise<void>
  /** Content-addressed files beside the database: written to a temporary name, synced, renamed. Who refers to a blob says of which kind it is; `media` is not kept. */
  putBlob(bytes: Uint8Array | string, media?: string): Promise<{ sha256: string; bytes: number }>
  getBlob(sha256: string): Promise<Uint8Array | undefined>
  blobs(): AsyncIterable<{ sha256: string; bytes: number; /** When it was last put, ms. */ put: number }>
  /** Takes away what was last put before `before` (ms); false when it was put since, or is not there. Nothing may refer to it. */
  dropBlob(sha256: string, before: number): Promise<boolean>
  /** A copy of the database as it is now, compact, readable and on the disk; while others go on. `store.exists` when there is something of that name. */
  backup(file: string): Promise<{ bytes: number }>
  /** Gives free pages back to the disk, a slice at a time. */
  shrink(): Promise<{ bytes: number }>
  /** Holds a name, never used before, until it is let go or this process dies, however it dies. False: another process holds it. */
  hold(name: string): Promise<boolean>
  isHeld(name: string): Promise<boolean>
  letGo(name: string): Promise<void>
  info(): Promise<{ file: string; bytes: number; version: string; journal: string; synchronous: number; commits: number; writes: number }>
}

declare module "graft" {
  interface Services { store: Store }
  interface Events {
    "store.opened": Notify<{ file: string; version: string }>
    "store.migrated": Notify<{ owner: string; from: number; to: number }>
  }
}
