/**
 * What this process leaves behind if it dies: a marker, without a name while all is well. A clean end takes it away; an
 * end by an error that nobody caught names the plugin that threw it.
 */
import { acquit, aliveMarker, ownMarker, remove, writeMarker } from "../lib/quarantine.ts"
import { culpritOf, ownerIn, type Member } from "./roster.ts"

export interface Deathbed { readonly marker: string; members: readonly Member[]; close(): void }

export function openDeathbed(data: string): Deathbed {
  const marker = ownMarker(data)
  let thrower: Member | undefined
  /** It comes before anybody may catch the error: only if the process ends with it, it counts. */
  const monitor = (error: unknown) => {
    thrower = ownerIn((error as Error | null)?.stack ?? "", deathbed.members)
    setImmediate(() => { thrower = undefined }).unref()
  }
  const exit = () => {
    if (thrower?.stranger) writeMarker(marker, { ...aliveMarker(), culprit: culpritOf(thrower, "threw an error that nobody caught") })
    else remove(marker)
  }
  const deathbed: Deathbed = {
    marker,
    members: [],
    close() {
      process.off("uncaughtExceptionMonitor", monitor).off("exit", exit)
      remove(marker)
      acquit(data, new Set(deathbed.members.map(({ file }) => file)))
    },
  }
  writeMarker(marker, aliveMarker())
  process.on("uncaughtExceptionMonitor", monitor).on("exit", exit)
  return deathbed
}
