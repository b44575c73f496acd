/** What outlives a reload of this plugin: the servers that run, and what they wrote. One that has read a large project is not lost to an edit of a line here. */
import { openLeash, type Leash } from "../lib/leash.ts"
import { ServerLog } from "../lib/serverlog.ts"
import type { Live } from "./live.ts"

/** By name and root. */
export interface Pool { lives: Map<string, Live>; starting: Map<string, Promise<Live>>; logs: Map<string, ServerLog>; leash: Leash; over: AbortController }

/** Of what is in it: another shape is another pool. */
export const SHAPE = "servers 1"

export const openPool = (): Pool => ({ lives: new Map(), starting: new Map(), logs: new Map(), leash: openLeash(), over: new AbortController() })

export async function closePool({ lives, starting, leash, over }: Pool): Promise<void> {
  over.abort()
  await Promise.allSettled(starting.values())
  await Promise.all([...lives.values()].map((live) => live.end()))
  leash.close()
}

export function logIn({ logs }: Pool, name: string): ServerLog {
  const log = logs.get(name) ?? new ServerLog()
  logs.set(name, log)
  return log
}
