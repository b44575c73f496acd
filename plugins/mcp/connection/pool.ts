/**
 * What outlives a reload of this plugin: the connections that stand, and what their servers wrote. A server may have a
 * browser open or a login in memory; an edit of a line here is no reason to lose it.
 */
import { openLeash, type Leash } from "../../lib/leash.ts"
import type { Link } from "./link.ts"
import { ServerLog } from "../../lib/serverlog.ts"

export interface Pool { links: Map<string, Link>; logs: Map<string, ServerLog>; leash: Leash }

/** Of what is in it: another shape is another pool. */
export const SHAPE = "connections 1"

export const openPool = (): Pool => ({ links: new Map(), logs: new Map(), leash: openLeash() })

export async function closePool({ links, leash }: Pool): Promise<void> {
  await Promise.all([...links.values()].map((link) => link.close()))
  leash.close()
}

export function logIn({ logs }: Pool, name: string): ServerLog {
  const log = logs.get(name) ?? new ServerLog()
  logs.set(name, log)
  return log
}
