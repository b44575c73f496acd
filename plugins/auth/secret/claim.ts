/**
 * Who of several processes does something that may be done once: the one whose file is there. It is given back when the
 * work has ended, and that of a process that died is taken away; no clock decides, because a clock may jump.
 */
import { randomBytes } from "node:crypto"
import { watch, type FSWatcher } from "node:fs"
import { link, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises"
import { basename, dirname } from "node:path"
import { send, startOf } from "../../lib/processes.ts"

/** ms. How long a file may say nothing; a second look at what nobody tells of; and all of a wait. */
const BLANK = 10_000
const LOOK = 1_000
const PATIENCE = 90_000

/** Undefined: another one has it. */
export async function take(path: string): Promise<(() => Promise<void>) | undefined> {
  const token = `${process.pid} ${startOf(process.pid)} ${randomBytes(6).toString("hex")}`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    await using file = await open(path, "wx", 0o600)
    await file.writeFile(token)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    return (await bury(path)) ? take(path) : undefined
  }
  return async () => { if ((await holderOf(path)) === token) await rm(path, { force: true }) }
}

/** Ends when nobody has it any more, at the latest after a minute and a half. */
export async function free(path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = async () => { if ((await holderOf(path)) === undefined || (await isDead(path))) resolve() }
  const watcher = watching(path, () => void look())
  // A holder that is killed tells nobody, nor does a system that watches no more files.
  const again = setInterval(() => void look(), LOOK)
  const late = setTimeout(resolve, PATIENCE)
  try {
    await look()
    await promise
  } finally {
    watcher?.close()
    clearInterval(again)
    clearTimeout(late)
  }
}

function watching(path: string, look: () => void): FSWatcher | undefined {
  try {
    return watch(dirname(path), (_, name) => { if (name === null || name === basename(path)) look() }).on("error", () => {})
  } catch {
    return undefined
  }
}

const holderOf = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(() => undefined)

async function isDead(path: string): Promise<boolean> {
  const [holder, status] = await Promise.all([holderOf(path), stat(path).catch(() => undefined)])
  if (holder === undefined || !status) return false
  const [pid, start] = holder.split(" ").map(Number) as [number, number]
  return holder === "" ? Date.now() - status.mtimeMs > BLANK : !isAlive(pid, start)
}

/** Where nothing tells when a process started, its number has to do. */
function isAlive(pid: number, start: number): boolean {
  const now = startOf(pid)
  return now === undefined ? process.platform === "win32" && send(pid, 0) : now === start
}

/** Of two who try, one may find a living one's in its hands: it is put back. */
async function bury(path: string): Promise<boolean> {
  if (!(await isDead(path))) return false
  const holder = await holderOf(path)
  const grave = `${path}.${randomBytes(6).toString("hex")}`
  if (!(await rename(path, grave).then(() => true, () => false))) return true
  const isIt = (await holderOf(grave)) === holder
  if (!isIt) await link(grave, path).catch(() => {})
  await rm(grave, { force: true })
  return isIt
}
