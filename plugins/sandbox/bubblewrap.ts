/** bubblewrap: where it is, whether it works here, and what it is told. Pure but for the looks at the system. */
import { execFile } from "node:child_process"
import { existsSync, lstatSync, mkdirSync, realpathSync } from "node:fs"
import { createHash } from "node:crypto"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/** Not the PATH: a project may have put its own directory there. */
const PLACES = ["/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap", "/run/current-system/sw/bin/bwrap", "/run/wrappers/bin/bwrap"]
const PATIENCE = 5_000
/** What is left of /run: names are looked up there, and some systems keep their programs in it. */
const KEPT_OF_RUN = ["/run/current-system", "/run/wrappers", "/run/booted-system"]
/** Below a project, what something outside of the sandbox may run later. */
const RUN_LATER = [".graft", ".git/hooks", ".git/config"]

/** All are real paths. `hidden`: nothing of it is seen. `temporary`: what is /tmp inside. */
export interface Confinement { project: string; write: readonly string[]; hidden: readonly string[]; temporary: string; network: boolean }
export type Found = { program: string } | { reason: string }

/** Tries it as it will be used, because a system may have it and forbid what it does. */
export async function findBubblewrap(): Promise<Found> {
  if (process.platform !== "linux") return { reason: `there is none for ${process.platform} yet` }
  const program = PLACES.find((place) => existsSync(place))
  if (!program) return { reason: "bubblewrap is not installed (the package bubblewrap has bwrap)" }
  const args = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--die-with-parent", "--", "/bin/sh", "-c", ":"]
  return new Promise((resolve) => {
    execFile(program, args, { timeout: PATIENCE, killSignal: "SIGKILL" }, (error, _, stderr) => resolve(error ? { reason: `${program} does not work here: ${stderr.trim().split("\n").at(-1)?.slice(0, 200) || error.message}` } : { program }))
  })
}

/** Later mounts cover earlier ones, so a place comes before what is in it. */
export function argumentsOf({ project, write, hidden, temporary, network }: Confinement, directory: string): string[] {
  const names = realOf("/etc/resolv.conf")
  const kept = [...KEPT_OF_RUN, ...(names?.startsWith("/run/") ? [dirname(names)] : [])].filter((path) => existsSync(path))
  const mounts: [place: string, args: string[]][] = [
    ["/tmp", ["--bind", temporary, "/tmp"]],
    ["/run", ["--tmpfs", "/run"]],
    ...kept.map((path): [string, string[]] => [path, ["--ro-bind", path, path]]),
    ...[project, ...write].map((path): [string, string[]] => [path, ["--bind", path, path]]),
    ...RUN_LATER.map((path) => join(project, path)).filter((path) => existsSync(path)).map((path): [string, string[]] => [path, ["--ro-bind", path, path]]),
    ...hidden.filter((path) => existsSync(path)).map((path): [string, string[]] => [path, ["--tmpfs", path]]),
  ]
  const depth = (path: string) => path.split("/").filter(Boolean).length
  const ordered = mounts.map((mount, at) => ({ mount, at })).sort((a, b) => depth(a.mount[0]) - depth(b.mount[0]) || a.at - b.at)
  return [
    "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", ...ordered.flatMap(({ mount }) => mount[1]),
    "--unshare-pid", "--unshare-ipc", ...(network ? [] : ["--unshare-net"]), "--die-with-parent", "--setenv", "TMPDIR", "/tmp", "--chdir", directory, "--",
  ]
}

/** A /tmp of a project's own, kept from command to command, where no socket of anybody else lies. It is the system's to clean. */
export function temporaryOf(project: string): string {
  const path = join(realpathSync(tmpdir()), `graft-sandbox-${process.getuid?.() ?? "user"}-${createHash("sha256").update(project).digest("hex").slice(0, 12)}`)
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
  }
  const status = lstatSync(path)
  if (!status.isDirectory() || status.uid !== process.getuid?.() || (status.mode & 0o077) !== 0) throw new Error(`${path} is not a private directory of yours: move it away`)
  return path
}

export function realOf(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}
