/** Where each session's shell stands: a small file a session that has left its directory, so that neither a reload nor a restart moves it. */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, isAbsolute, join, resolve } from "node:path"

/** `base`: the session's own directory; a session that was moved starts anew. */
interface Kept { base: string; directory: string }

export class Directories {
  readonly #root: string

  constructor(root: string) { this.#root = root }

  /** Where the next command starts. */
  of(session: string, base: string): string {
    const kept = this.#read(session)
    return kept?.base === base && isDirectory(kept.directory) ? kept.directory : base
  }

  /** What a command says of where it ended; true when that is somewhere else than before. */
  moved(session: string, base: string, from: string, to: string): boolean {
    if (!isAbsolute(to) || to === from || !isDirectory(to)) return false
    const path = this.#path(session)
    if (path === undefined) return false
    if (resolve(to) === base) return rmSync(path, { force: true }), true
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const beside = `${path}.${process.pid}`
    writeFileSync(beside, JSON.stringify({ base, directory: to } satisfies Kept), { mode: 0o600 })
    renameSync(beside, path)
    return true
  }

  forget(session: string): void {
    const path = this.#path(session)
    if (path !== undefined) rmSync(path, { force: true })
  }

  #path(session: string): string | undefined { return /^[\w-]{1,100}$/.test(session) ? join(this.#root, session) : undefined }

  #read(session: string): Kept | undefined {
    try {
      return JSON.parse(readFileSync(this.#path(session) ?? "", "utf8")) as Kept
    } catch {
      return undefined
    }
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
