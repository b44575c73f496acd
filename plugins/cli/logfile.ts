/** What plugins say, and what goes wrong, as a private file that is bounded: one now, and a few from before. */
import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs"
import { join } from "node:path"
import type { EmbeddedKernel } from "../../kernel/index.ts"

/** Bytes of one file, and how many are kept beside the one that is written. */
const MOST = 1_048_576
const KEPT = 3
/** Milliseconds in which lines are gathered. */
const GATHER = 200

/** Gives what writes the rest and stops. Nothing is made before there is something to write. */
export function keepLog(kernel: EmbeddedKernel, directory: string): () => void {
  let pending = ""
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    if (pending) append(directory, pending)
    pending = ""
  }
  const write = (at: number, level: string, who: string, text: string) => {
    if (pending.length < MOST) pending += `${new Date(at).toISOString()} ${process.pid} ${level.padEnd(5)} ${who} ${text.replaceAll("\n", "\n  ")}\n`
    timer ??= setTimeout(flush, GATHER).unref()
  }
  const where = (realm: string) => (realm === "root" ? "" : ` (${realm})`)
  kernel.on("plugin.logged", ({ at, level, plugin, gen, realm, text }) => write(at, level, `${plugin}@${gen}${where(realm)}`, text))
  kernel.on("plugin.failed", ({ plugin, gen, realm, phase, message }, { at }) => write(at, "error", `${plugin}@${gen}${where(realm)}`, `${phase}: ${message}`))
  kernel.on("plugin.reverted", ({ plugin, gen, realm, reason }, { at }) => write(at, "error", `${plugin}@${gen}${where(realm)}`, reason))
  kernel.on("kernel.fault", ({ plugin, gen, realm, kind, during, message, where: place }, { at }) => write(at, "error", `${plugin}@${gen}${where(realm)}`, `${kind} ${during}: ${message}${place ? ` (${place})` : ""}`))
  const uncaught = (error: unknown) => (write(Date.now(), "fatal", "graft", error instanceof Error ? (error.stack ?? error.message) : String(error)), flush())
  process.on("uncaughtExceptionMonitor", uncaught).once("exit", flush)
  return () => void (flush(), process.off("uncaughtExceptionMonitor", uncaught).off("exit", flush))
}

/** Losing a line of a log is not worth failing for. */
function append(directory: string, text: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const file = join(directory, "graft.log")
    if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > MOST) rotate(file)
    appendFileSync(file, text, { mode: 0o600 })
  } catch { /* a read-only home, or a full disk */ }
}

function rotate(file: string): void {
  for (let n = KEPT; n > 0; n--) {
    try { renameSync(n === 1 ? file : `${file}.${n - 1}`, `${file}.${n}`) } catch { /* there were not so many */ }
  }
}
