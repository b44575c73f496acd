/**
 * Who a process is, also after this one was restarted, and everything that a command started, gone at its end: its process
 * group, and on Linux also what left the group (`setsid`, daemons), found by a mark in the environment that every child
 * inherits.
 */
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"

/** The marks of all commands that a process descends from, joined by commas. */
export const MARK = "GRAFT_COMMAND"
const ROUNDS = 5

/** `since`: when the first of them started, in the system's ticks; nobody older belongs to it. Without a `group` only the mark tells. */
export interface Family { group?: number; mark: string; since: number }

/** To be called right after the first process was started: as long as nobody has waited for it, it can be looked up. */
export const familyOf = (pid: number, mark: string): Family => ({ group: pid, mark, since: startOf(pid) ?? 0 })

/** The environment of who descends from a command. */
export const marked = (env: Record<string, string | undefined>, mark: string): Record<string, string | undefined> => ({ ...env, [MARK]: env[MARK] ? `${env[MARK]},${mark}` : mark })

/** When a process started, which no other of its number did: ticks since the system's start (proc(5)), or milliseconds where there is no /proc. Undefined: it is not there, or dead and not yet buried. */
export function startOf(pid: number): number | undefined {
  if (process.platform === "linux") {
    const status = statusOf(pid)
    return status && !isDead(status) ? status.start : undefined
  }
  const text = output("ps", ["-o", "lstart=", "-p", String(pid)])
  return text === "" ? undefined : Date.parse(text)
}

/** This start of the system: numbers of processes mean nothing in another one. */
export const bootId = (): string => (process.platform === "linux" ? contentOf("/proc/sys/kernel/random/boot_id").trim() : output("sysctl", ["-n", "kern.bootsessionuuid"])) || "unknown"

/** TERM to all, and KILL to who is still there after `grace` milliseconds. Gives how many were found. */
export async function endFamily(family: Family, grace: number): Promise<number> {
  const found = signalFamily(family, "SIGTERM")
  const until = performance.now() + grace
  for (let wait = 5, left = found; left > 0 && performance.now() < until; wait = Math.min(wait * 2, 50)) {
    await pause(wait)
    left = membersOf(family).length
    if (left === 0) return found
  }
  // Who forks faster than it is killed is met again, a bounded number of times.
  for (let round = 0; found > 0 && round < ROUNDS && signalFamily(family, "SIGKILL") > 0; round++) await pause(5)
  return found
}

export const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** False when there is nobody to signal. */
export function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

function signalFamily(family: Family, signal: NodeJS.Signals): number {
  const members = membersOf(family)
  if (members.length === 0) return 0
  if (family.group !== undefined) send(-family.group, signal)
  for (const pid of members) send(pid, signal)
  return members.length
}

/** Who of the family lives; where the system has no /proc, its group stands for all. Read synchronously: these files are memory, and a thread pool costs more than they do. */
function membersOf({ group, mark, since }: Family): number[] {
  if (process.platform !== "linux") return group !== undefined && send(-group, 0) ? [-group] : []
  return readdirSync("/proc").map(Number).filter((pid) => {
    if (!(pid > 0) || pid === process.pid) return false
    const status = statusOf(pid)
    if (!status || status.start < since || isDead(status)) return false
    return status.group === group || marksOf(pid).includes(mark)
  })
}

interface Status { state: string; group: number; start: number }

/** "pid (name) state parent group …": a name may hold anything, so the last parenthesis counts. Field 22 is the start (proc(5)). */
function statusOf(pid: number): Status | undefined {
  const text = contentOf(`/proc/${pid}/stat`)
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
  return text === "" ? undefined : { state: fields[0]!, group: Number(fields[2]), start: Number(fields[19]) }
}

const isDead = ({ state }: Status): boolean => state === "Z" || state === "X"
const marksOf = (pid: number): string[] => contentOf(`/proc/${pid}/environ`).split("\0").find((entry) => entry.startsWith(`${MARK}=`))?.slice(MARK.length + 1).split(",") ?? []

/** Empty for what is gone or another user's. */
function contentOf(path: string): string {
  try {
    return readFileSync(path, "latin1")
  } catch {
    return ""
  }
}

function output(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 2_000 }).trim()
  } catch {
    return ""
  }
}
