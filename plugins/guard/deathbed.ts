/**
 * What this process leaves behind if it dies: a marker, without a name while all is well. A clean end takes it away; an end
 * that a plugin brought about, by an error nobody caught or by leaving, names that plugin.
 */
import { rmSync } from "node:fs"
import { acquit, aliveMarker, ownMarker, writeMarker } from "../lib/quarantine.ts"
import { culpritOf, ownerIn, type Member } from "./roster.ts"

export interface Deathbed { readonly marker: string; members: readonly Member[]; close(): void }

const FRAMES = 50

export function openDeathbed(data: string): Deathbed {
  const marker = ownMarker(data)
  let thrown: { by: Member | undefined } | undefined
  /** It comes before anybody may catch the error: only if the process ends with it, it counts. */
  const monitor = (error: unknown) => {
    thrown = { by: ownerIn((error as Error | null)?.stack ?? "", deathbed.members) }
    setImmediate(() => { thrown = undefined }).unref()
  }
  const exit = () => {
    try {
      const culprit = thrown ? thrown.by : ownerIn(here(), deathbed.members)
      if (culprit?.stranger) writeMarker(marker, { ...aliveMarker(), culprit: culpritOf(culprit, thrown ? "threw an error that nobody caught" : "ended the process") })
      else rmSync(marker, { force: true })
    } catch { /* a full or read-only disk keeps no marker */ }
  }
  const deathbed: Deathbed = {
    marker,
    members: [],
    close() {
      process.off("uncaughtExceptionMonitor", monitor).off("exit", exit)
      rmSync(marker, { force: true })
      acquit(data, new Set(deathbed.members.map(({ file }) => file)))
    },
  }
  writeMarker(marker, aliveMarker())
  process.on("uncaughtExceptionMonitor", monitor).on("exit", exit)
  return deathbed
}

function here(): string {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = FRAMES
  try { return new Error().stack ?? "" } finally { Error.stackTraceLimit = stackTraceLimit }
}
