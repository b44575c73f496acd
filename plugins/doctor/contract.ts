import type {} from "graft"

/** Something that is not as it has to be. `law`: a law of the log (S1 … S28), `sqlite`, `blob`, `orphan` or `unreadable`; `where`: a session and the event in it, a table, a blob. */
export interface Problem { law: string; where: string; what: string }
/** `problems` has at most 1,000; `more` says how many there are besides. */
export interface Checked { file: string; events: number; aggregates: number; blobs: number; problems: Problem[]; more: number }

export interface Pruned {
  dryRun: boolean
  /** Those that the settings let go. */
  sessions: { id: string; title: string; updated: number }[]
  /** Blobs that nothing refers to, last put more than a day ago. */
  blobs: { count: number; bytes: number }
  /** Given back to the disk. A dry run cannot know it. */
  freed?: number
  /** Sessions that could not be removed, and why. */
  kept: { id: string; reason: string }[]
}

export interface Stats {
  file: string
  /** Of the database; what of it is free; the -wal beside it; the blobs. */
  bytes: number
  free: number
  wal: number
  blobs: { count: number; bytes: number }
  /** With its indexes, largest first. */
  tables: { name: string; bytes: number; rows: number }[]
  events: { type: string; count: number; bytes: number }[]
  aggregates: number
  /** Bytes of what people, models and tools said; and the database as a multiple of it. */
  text: number
  ratio?: number
}

/** Milliseconds of samples; `busy` without idleness. A plugin's time has that of the libraries it called in it. Most first. */
export interface Profile { milliseconds: number; busy: number; plugins: { plugin: string; milliseconds: number; functions: { name: string; where: string; milliseconds: number }[] }[] }

/**
 * Looks after the database, while others use it. Errors: those of the store (`store.exists`: a backup overwrites nothing),
 * and `doctor.config` (the retention settings cannot be read).
 */
export interface Doctor {
  /** Reads everything: pages, the log against its automata, blobs against their names. Changes nothing. */
  check(options?: { signal?: AbortSignal }): Promise<Checked>
  backup(file: string): Promise<{ file: string; bytes: number }>
  /** Takes away what the config's `retention` lets go, then blobs that nothing refers to, and gives the room back. */
  prune(options?: { dryRun?: boolean; signal?: AbortSignal }): Promise<Pruned>
  stats(): Promise<Stats>
  /** What the CPU does for so many milliseconds (at most 10,000), by plugin. */
  profile(options: { milliseconds: number }): Promise<Profile>
}

declare module "graft" {
  interface Services { doctor: Doctor }
}
