/** Typings that another Graft made are made again by this one, so that an editor never believes an old contract. */
import { messageOf, type Graft } from "graft"
import { areStale, keepTypings } from "../lib/typings.ts"
import { placesOf } from "./places.ts"

/** Milliseconds after which nobody waits for the start any more. */
const LATER = 10_000

/** Belongs in setup. Only directories that have typings are given any. */
export function keepCurrent(graft: Graft): void {
  graft.timeout(LATER, () => {
    const { home, user, project, others } = placesOf(graft, graft.location!)
    for (const directory of [user, project]) {
      try {
        if (areStale(directory, home)) keepTypings(directory, home, others)
      } catch (error) {
        graft.log.warn(`the types beside ${directory} are of another Graft, and could not be made again: ${messageOf(error)}`)
      }
    }
  })
}
