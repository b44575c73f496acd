/** Tells what changed in the file since it was told last, whoever changed it: one fact a change, without secrets. */
import type { Graft } from "graft"
import type { CredentialInfo } from "./contract.ts"
import { activeOf, digestOf, entryIn, hintOf, idsOf, partsOf, type Entries, type Entry } from "./kept/entries.ts"

/** Of each entry, as digests. Absent before the file was first read. */
export interface AuthState { told?: Record<string, Told> }
interface Told { digest: string; source: CredentialInfo["source"]; login?: string; failed?: string; active: boolean }

export function infoOf(entries: Entries, id: string, file: string): CredentialInfo {
  const entry = entryIn(entries, id)!
  const { provider, account } = partsOf(id)
  return {
    provider, account, kind: entry.kind, hint: hintOf(entry), active: activeOf(entries, provider) === account,
    ...(entry.keychain === undefined ? { source: "file", name: file } : { source: "keychain", name: "keychain" }),
    ...(entry.kind === "oauth" && entry.expires !== undefined && { expires: entry.expires }),
    ...(entry.kind === "oauth" && entry.failed !== undefined && { failed: entry.failed }),
  }
}

export function tell(graft: Graft<AuthState>, entries: Entries, file: string): void {
  if (graft.retiring.aborted) return
  const { told } = graft.state.value
  const now: Record<string, Told> = Object.fromEntries(idsOf(entries).map((id) => [id, toldOf(entries, id)]))
  const changed = Object.keys(now).filter((id) => JSON.stringify(ownOf(told, id)) !== JSON.stringify(now[id]))
  const gone = Object.keys(told ?? {}).filter((id) => !Object.hasOwn(now, id))
  if (told && changed.length === 0 && gone.length === 0) return
  graft.state.update(() => ({ told: now }))
  // What was there when it was first read is no change.
  if (!told) return
  for (const id of changed) {
    const [before, after, info] = [ownOf(told, id), now[id]!, infoOf(entries, id, file)]
    if (!before) graft.emit("auth.added", info)
    else if (after.failed !== undefined && after.failed !== before.failed) graft.emit("auth.failed", { provider: info.provider, account: info.account, code: "auth.revoked", message: after.failed })
    else if (before.digest !== after.digest && after.login !== undefined && after.login === before.login && after.source === before.source) graft.emit("auth.refreshed", info)
    // Of two accounts that take turns, who is used now is the news.
    else if (before.digest !== after.digest || after.active) graft.emit("auth.updated", info)
  }
  for (const id of gone) graft.emit("auth.removed", partsOf(id))
}

function toldOf(entries: Entries, id: string): Told {
  const entry = entryIn(entries, id) as Entry
  const { provider, account } = partsOf(id)
  return { digest: digestOf(entry), source: entry.keychain === undefined ? "file" : "keychain", active: activeOf(entries, provider) === account, ...(entry.kind === "oauth" && { login: entry.login, ...(entry.failed !== undefined && { failed: entry.failed }) }) }
}

const ownOf = (record: Readonly<Record<string, Told>> | undefined, id: string): Told | undefined => (record && Object.hasOwn(record, id) ? record[id] : undefined)
