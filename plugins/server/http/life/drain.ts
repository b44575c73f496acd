/** Waiting for what this process works on to end: its sessions are its own until then, and nobody else goes on with them. */
import type { Graft } from "graft"

/** Resolves when no session of this process works, or when the signal aborts. One that waits for a person is waited for as well; one that stopped with work left is not. */
export async function ended(graft: Graft, signal: AbortSignal): Promise<void> {
  const owner = await graft.eventlog.runtime()
  const seen = new Set<string>()
  while (!signal.aborted) {
    const open = await Promise.all(graft.kernel.locations().map((location) => graft.session.unfinished(location, owner)))
    const working = open.flat().filter((id) => !seen.has(id))
    if (working.length === 0) return
    await Promise.all(working.map((id) => graft.session.wait(id, { signal }).catch(() => {})))
    for (const id of working) seen.add(id)
  }
}
