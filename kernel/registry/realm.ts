/** A realm: the process (root), or one project (a location) whose table falls through to the root's. */
import { existsSync, realpathSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import type { Generation } from "../loader/generation.ts"
import type { Unit } from "../loader/unit.ts"
import { Table } from "./table.ts"

export class Realm {
  /** "root", or the real path of the project. */
  readonly id: string
  readonly location: string | undefined
  readonly parent: Realm | undefined
  readonly units = new Map<string, Unit>()
  readonly table: Table
  /** Who needs this realm open: instances given out by `at`. */
  readonly leases = new Set<() => void>()
  idleTimer: (() => void) | undefined
  #live: readonly Generation[] | undefined

  constructor(location?: string, parent?: Realm) {
    this.id = location ?? "root"
    this.location = location
    this.parent = parent
    this.table = new Table(this)
  }

  /** The live generations, in order of root and id. */
  live(): readonly Generation[] {
    return (this.#live ??= [...this.units.values()]
      .sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1))
      .flatMap((unit) => unit.live ?? []))
  }

  invalidate(): void {
    this.#live = undefined
    this.table.invalidate()
  }
}

/** The project of a directory: the real path of its nearest ancestor with `.graft/` or `.git`, else itself. */
export function locationOf(directory: string): string {
  let start = resolve(directory)
  try { start = realpathSync.native(start) } catch { /* a directory that is gone is its own location */ }
  for (let at = start; ; at = dirname(at)) {
    if (existsSync(join(at, ".graft")) || existsSync(join(at, ".git"))) return at
    if (at === dirname(at)) return start
  }
}
