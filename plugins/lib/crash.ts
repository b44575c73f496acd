/**
 * Named points at which a test may end this process as `kill -9` would: between two durable acts, where recovery has to
 * be right. Everywhere else each is one test of a constant.
 */
import { appendFileSync } from "node:fs"

/** `name`, or `name#n`: the n-th time that it is reached. Of two, comma separated, the second is for the process after this one. */
const armed = process.env.GRAFT_CRASH?.split(",")[0]
/** A file that gets the name of each point that is reached, so that a run tells what can be armed. */
const traced = process.env.GRAFT_CRASH_TRACE

/** One count for every copy of this module: each plugin may have loaded its own. */
const COUNTS = Symbol.for("graft.crash")

export const point: (name: string) => void = armed === undefined && traced === undefined ? () => {} : (name) => {
  const counts = ((globalThis as { [COUNTS]?: Map<string, number> })[COUNTS] ??= new Map())
  const count = (counts.get(name) ?? 0) + 1
  counts.set(name, count)
  if (traced !== undefined) appendFileSync(traced, `${name}#${count}\n`)
  // The signal is delivered before the call returns.
  if (armed === name || armed === `${name}#${count}`) process.kill(process.pid, "SIGKILL")
}
