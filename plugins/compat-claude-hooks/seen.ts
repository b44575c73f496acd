/** Sessions that this project has seen since it was opened: what a hook of theirs is told, and how often they were held. */
import { createHash } from "node:crypto"
import type { Graft } from "graft"
import type { Json } from "../eventlog/contract.ts"
import { newId } from "../lib/ids.ts"
import type { Delivery, Session, SessionFacts } from "../session/contract.ts"

/** `stops`: how often hooks have held it since a person last spoke. */
export interface Seen { directory: string; child: boolean; agent?: string; stops: number }
/** `gen`: the youngest generation that is live. */
export interface HooksState { sessions: Record<string, Seen>; gen: number }

const MOST = 1_000

/** What is known of it; undefined where there is no such session. `first`: it was not known. */
export async function seen(graft: Graft<HooksState>, id: string): Promise<(Seen & { first: boolean }) | undefined> {
  const known = graft.state.value.sessions[id]
  const session = await graft.session.get(id).catch(() => undefined)
  if (!session) return known && { ...known, first: false }
  const now = { directory: session.directory, child: isChild(session), ...(session.agent !== undefined && { agent: session.agent }), stops: known?.stops ?? 0 }
  if (!known) note(graft, id, now)
  return { ...now, first: !known }
}

const isChild = ({ parent }: Session): boolean => parent !== undefined

export function note(graft: Graft<HooksState>, id: string, session: Seen): void {
  graft.state.update((draft) => {
    draft.sessions[id] = session
    for (const [oldest] of Object.entries(draft.sessions).slice(0, Math.max(0, Object.keys(draft.sessions).length - MOST))) delete draft.sessions[oldest]
  })
}

/** Words of a hook, for the model. `resume`: the session goes on because of them. */
export async function tell(graft: Graft, session: string, text: string, { resume, delivery }: { resume: boolean; delivery: Delivery }): Promise<void> {
  const data: SessionFacts["session.input.admitted"] = { input: newId("input"), delivery, resume, text, hash: createHash("sha256").update(text).digest("base64url").slice(0, 22), kind: "synthetic" }
  await graft.eventlog.append({ aggregate: session, actor: `plugin:${graft.id}`, location: graft.location!, events: [{ type: "session.input.admitted", data: data as unknown as Json }] })
}
