/**
 * A small file of ours, changed as a whole: one writer at a time across processes, written beside, synced, renamed. A
 * crash leaves the old file or the new one; a link stays a link, and what it leads to is changed.
 */
import { randomBytes } from "node:crypto"
import { mkdir, open, readdir, readFile, readlink, realpath, rename, rm, stat, link } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { setTimeout as wait } from "node:timers/promises"

/** A writer takes milliseconds; one that holds the file so long is dead. */
const DEAD = 10_000
const PATIENCE = 15_000
const RETRY = 15
const LOCK = ".lock"
/** Somebody who takes no lock, e.g. an editor, may write in between: then it begins again. */
const ATTEMPTS = 20

/** `rewrite.busy`: another writer does not come to its end. `rewrite.unreadable`, `rewrite.unwritable`: what the system said. Nothing was changed. */
export class RewriteError extends Error {
  readonly code: "rewrite.busy" | "rewrite.unreadable" | "rewrite.unwritable"
  constructor(code: RewriteError["code"], message: string) {
    super(message)
    this.code = code
  }
}

/**
 * `edit` gets the text (undefined: there is no file) and gives the new one, or undefined where nothing is to change; what
 * it throws passes through. A new file is private (0600, its directory 0700), another one keeps its mode.
 */
export async function rewrite(file: string, edit: (text: string | undefined) => string | undefined | Promise<string | undefined>, { mode }: { mode?: number } = {}): Promise<void> {
  const target = await targetOf(file)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 }).catch(unwritable(file))
  await alone(target, async () => {
    for (let attempt = 1; ; attempt++) {
      const before = await read(target)
      const next = await edit(before)
      if (next === undefined || (next === before && (mode === undefined || (await stat(target)).mode % 0o10000 === mode))) return
      if (await replace(target, before, next, mode)) return
      if (attempt === ATTEMPTS) throw new RewriteError("rewrite.busy", `${file} is being changed by somebody else again and again; nothing was written`)
    }
  })
}

/** Where a chain of links ends, also when nothing is there yet. */
async function targetOf(file: string, depth = 0): Promise<string> {
  const real = await realpath(file).catch(() => undefined)
  if (real !== undefined) return real
  const leads = await readlink(file).catch(() => undefined)
  return leads === undefined || depth > 16 ? file : targetOf(resolve(dirname(file), leads), depth + 1)
}

async function read(target: string): Promise<string | undefined> {
  try {
    // A pipe would be waited for.
    if (!(await stat(target)).isFile()) throw new RewriteError("rewrite.unreadable", `${target} is not a regular file`)
    return await readFile(target, "utf8")
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    throw error instanceof RewriteError ? error : new RewriteError("rewrite.unreadable", `${target} cannot be read (${codeOf(error)})`)
  }
}

/** False when the file is not what was read any more. */
async function replace(target: string, before: string | undefined, next: string, wanted: number | undefined): Promise<boolean> {
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}`)
  try {
    const mode = wanted ?? (before === undefined ? 0o600 : (await stat(target)).mode & 0o7777)
    {
      await using file = await open(temporary, "wx", 0o600)
      await file.writeFile(next)
      await file.chmod(mode)
      await file.sync()
    }
    if ((await read(target)) !== before) return false
    await rename(temporary, target)
    return true
  } catch (error) {
    return error instanceof RewriteError ? Promise.reject(error) : unwritable(target)(error)
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

async function alone<T>(target: string, work: () => Promise<T>): Promise<T> {
  const lock = target + LOCK
  const token = `${process.pid} ${randomBytes(6).toString("hex")}`
  for (const until = Date.now() + PATIENCE; !(await take(lock, token)); await wait(RETRY)) {
    if (Date.now() > until) throw new RewriteError("rewrite.busy", `another process has been writing ${target} for ${PATIENCE / 1_000} s; if there is none, delete ${lock}`)
  }
  try {
    await sweep(target)
    return await work()
  } finally {
    if ((await readFile(lock, "utf8").catch(() => undefined)) === token) await rm(lock, { force: true })
  }
}

/** What lies beside it while nobody else writes was left by a writer that died. */
async function sweep(target: string): Promise<void> {
  const [directory, start] = [dirname(target), `.${basename(target)}.`]
  const left = (await readdir(directory)).filter((name) => name.startsWith(start) && /^[0-9a-f]{12}$/.test(name.slice(start.length)))
  for (const name of left) await rm(join(directory, name), { force: true })
}

async function take(lock: string, token: string): Promise<boolean> {
  try {
    await using file = await open(lock, "wx", 0o600)
    await file.writeFile(token)
    return true
  } catch (error) {
    if (codeOf(error) !== "EEXIST") return unwritable(lock.slice(0, -LOCK.length))(error)
    await bury(lock)
    return false
  }
}

/** Takes away the lock of who died with it. Of two who try, one may find a living lock in its hands: it is put back. */
async function bury(lock: string): Promise<void> {
  const [holder, status] = await Promise.all([readFile(lock, "utf8").catch(() => undefined), stat(lock).catch(() => undefined)])
  if (holder === undefined || !status || (Date.now() - status.mtimeMs <= DEAD && !gone(holder))) return
  const grave = `${lock}.${randomBytes(6).toString("hex")}`
  if (!(await rename(lock, grave).then(() => true, () => false))) return
  if ((await readFile(grave, "utf8").catch(() => holder)) !== holder) await link(grave, lock).catch(() => {})
  await rm(grave, { force: true })
}

function gone(holder: string): boolean {
  const pid = Number(/^\d+/.exec(holder)?.[0])
  if (!pid) return false
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return codeOf(error) === "ESRCH"
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "unknown error"
const unwritable = (file: string) => (error: unknown): never => { throw new RewriteError("rewrite.unwritable", `${file} cannot be written (${codeOf(error)}); nothing was changed`) }
