/** What `graft auth doctor` says: where each credential lies, who can read it, when it ends, and what is wrong. Nobody is asked. */
import { stat } from "node:fs/promises"
import type { CredentialInfo, CredentialReport } from "./contract.ts"
import { entryIn, idsOf, type Entries, type Entry } from "./kept/entries.ts"
import { isDue, isOver, type Time } from "./secret/refresher.ts"
import { infoOf } from "./told.ts"
import type { Vault } from "./kept/vault.ts"

export async function reportOf(entries: Entries, vault: Vault, environment: readonly CredentialInfo[], time: Time): Promise<CredentialReport[]> {
  const mode = await vault.mode()
  const kept = await Promise.all(idsOf(entries).map(async (id): Promise<CredentialReport> => {
    const [entry, info] = [entryIn(entries, id)!, infoOf(entries, id, vault.file)]
    const unreadable = await vault.whole(id).then(() => [], (error: Error) => [error.message])
    const path = entry.kind === "file" ? entry.path : vault.file
    const bits = entry.kind === "file" ? (await stat(path).catch(() => undefined))?.mode : mode
    const hides = environment.find(({ provider }) => provider === info.provider)?.name
    return {
      ...info, refresh: refreshOf(entry),
      ...(bits !== undefined && { mode: (bits & 0o777).toString(8).padStart(4, "0") }),
      ...(hides !== undefined && { shadowed: hides }),
      problems: [...unreadable, ...problemsOf(entry, path, bits, time.now())],
    }
  }))
  return [...environment.map((info) => ({ ...info, refresh: "whoever sets the variable", problems: [] })), ...kept].sort((a, b) => (a.provider < b.provider ? -1 : a.provider > b.provider ? 1 : 0))
}

function refreshOf(entry: Entry): string {
  switch (entry.kind) {
    case "key": return "you: keys do not end by themselves here"
    case "oauth": return entry.refresh === undefined ? "you, by logging in again" : `Graft, at ${new URL(entry.token).host}: one process for all`
    case "command": return "the command, when it is needed"
    case "file": return "whoever writes the file; it is read each time"
    case "well-known": return `the login to ${entry.url}`
    default: return entry satisfies never
  }
}

function problemsOf(entry: Entry, path: string, mode: number | undefined, now: number): string[] {
  const open = process.platform !== "win32" && mode !== undefined && (mode & 0o077) !== 0 ? [`${path} can be read by others: chmod 600 ${path}`] : []
  if (entry.kind === "file" && mode === undefined) return [`${path} is not there`]
  if (entry.kind !== "oauth") return open
  if (entry.failed !== undefined) return [...open, entry.failed]
  if (isOver(entry, now)) return [...open, entry.refresh === undefined ? "it has ended: log in again" : "it has ended; the next use renews it"]
  return isDue(entry, now) && now < entry.obtained ? [...open, "it was had later than it is now: the clock was set back; the next use renews it"] : open
}
