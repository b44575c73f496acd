/** How deep a session lies below the one that a person began: work that begets work has to end somewhere. */
import type { Session } from "../session/contract.ts"

/** Sessions below sessions: a person's is 0, and the deepest that may exist is this. */
export const DEEPEST = 3

export async function depthOf(session: Session, get: (id: string) => Promise<Session | undefined>): Promise<number> {
  let depth = 0
  for (let parent = session.parent; parent !== undefined && depth <= DEEPEST; parent = (await get(parent))?.parent) depth++
  return depth
}
