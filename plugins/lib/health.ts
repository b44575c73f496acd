/** What is not well with plugins that run, and what to do about it, from what the kernel shows of them. Pure. */
import type { JournalEntry, KernelView, PluginView } from "graft"

export interface Finding { plugin: string; what: string; todo: string }

/** Milliseconds a handler may take on average, with enough calls to say so. */
const SLOW = 250
const ENOUGH = 10
/** Milliseconds that a generation which was replaced may live on before it counts as held. */
const HELD = 600_000
/** What one generation needs at most, unless it forgets to give back. */
const MANY = 1_000

export function findings({ realms }: KernelView, journal: readonly JournalEntry[], now = Date.now()): Finding[] {
  const plugins = realms.flatMap((realm) => realm.plugins)
  return plugins.flatMap((plugin) => CHECKS.flatMap((check) => check(plugin, { plugins, journal, now }) ?? []).map(([what, todo]) => ({ plugin: plugin.id, what, todo })))
}

interface Around { plugins: readonly PluginView[]; journal: readonly JournalEntry[]; now: number }
type Check = (plugin: PluginView, around: Around) => [what: string, todo: string][] | undefined

const CHECKS: readonly Check[] = [
  ({ id, status, reason }, { journal }) => {
    if (status === "live" || status === "disabled") return undefined
    const { where } = journal.findLast((entry) => entry.plugin === id && entry.message === reason) ?? {}
    const at = where !== undefined && !reason.includes(where) ? `${where}: ` : ""
    return [[`${STATUS[status]}: ${at}${reason || "what it does at its start has not ended"}`, status === "failed" ? `mend it and save, or graft plugin disable ${id}` : status === "refused" ? "graft trust" : `graft plugin inspect ${id}`]]
  },
  ({ id, errors, calls, crashes }) => (crashes > 0 ? [[`${crashes} crashes, ${errors} errors in ${calls} calls`, `graft plugin logs ${id}`]] : undefined),
  ({ id, dropped }) => (dropped > 0 ? [[`too slow for what it hears: ${dropped} events were dropped`, `graft plugin profile, and graft plugin inspect ${id}`]] : undefined),
  ({ calls, handlerMilliseconds }) => (calls >= ENOUGH && handlerMilliseconds / calls > SLOW ? [[`its handlers take ${Math.round(handlerMilliseconds / calls)} ms on average`, "graft plugin profile"]] : undefined),
  ({ id, generations }, { now }) => generations.flatMap(({ gen, state, since, leases }): [string, string][] =>
    state === "retiring" && now - since > HELD ? [[`@${gen} was replaced ${Math.round((now - since) / 60_000)} min ago and is held by ${leases} calls`, `graft plugin inspect ${id}`]] : []),
  ({ id, generations }) => generations.flatMap(({ gen, state, timers, forks, listeners, cleanups }): [string, string][] =>
    state === "live" && Math.max(timers, forks, listeners, cleanups) > MANY ? [[`@${gen} has ${timers} timers, ${forks} forks, ${listeners} listeners, ${cleanups} cleanups: it takes and does not give back`, `graft plugin inspect ${id}`]] : []),
  ({ id, pinned }) => (pinned ? [["is pinned: what is saved is not run", `graft plugin unpin ${id}`]] : undefined),
]
const STATUS: Readonly<Record<string, string>> = { failed: "failed", refused: "was not run", waiting: "waits", loading: "is not up yet" }
