/** What all generations of the log in this process share: who the process is, and whom an append wakes, whichever of them made it. */
import type { Graft } from "graft"
import { newRuntime } from "./claims.ts"

export interface Shared { readonly runtime: string; readonly bells: Set<(aggregate: string) => void> }

/** `bell` rings for this generation, until it is closed. */
export async function share(graft: Graft, bell: (aggregate: string) => void): Promise<{ runtime: string; ring(aggregate: string): void }> {
  const { store } = graft
  const { runtime, bells } = await graft.keep<Shared>("log", "process", () => ({ runtime: newRuntime(), bells: new Set() }), (shared) => store.letGo(shared.runtime).catch(() => {}))
  bells.add(bell)
  graft.defer(() => void bells.delete(bell))
  return { runtime, ring: (aggregate) => { for (const each of bells) each(aggregate) } }
}
