/** Something that is there as long as a condition holds: looked at again when told, one look at a time. */
import type { Graft } from "graft"

/** Gives the look; the first one is the caller's. */
export function presence(graft: Pick<Graft, "retiring">, holds: () => Promise<boolean> | boolean, add: () => () => void): () => Promise<void> {
  let remove: (() => void) | undefined
  let work: Promise<void> = Promise.resolve()
  const look = async () => {
    const there = await holds()
    if (graft.retiring.aborted || there === (remove !== undefined)) return
    if (there) return void (remove = add())
    remove!()
    remove = undefined
  }
  return () => {
    const looked = work.then(look)
    work = looked.catch(() => {})
    return looked
  }
}
