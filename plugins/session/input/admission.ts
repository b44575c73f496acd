/** The way into the inbox: one commit an input, one receipt an id, whoever asks and however often (S9). */
import { createHash } from "node:crypto"
import { firstWords } from "../../lib/title.ts"
import type { Json } from "../../eventlog/contract.ts"
import { codeOf, fact, type Context, type Fact } from "../context.ts"
import type { Delivery, InputKind, Receipt, Session } from "../contract.ts"
import { SessionError } from "../errors.ts"
import { atMostPending, countPending, getInput, undecidedOf, type InputRow } from "../rows.ts"

/** Inputs that may wait in one session. */
const MOST_PENDING = 200

/** `files`: as they were asked for, which is what is compared when the same id comes again. */
export interface Asked { input: string; text: string; delivery: Delivery; resume: boolean; files?: readonly string[]; kind?: InputKind; data?: Json }

export async function admit(context: Context, session: Session, asked: Asked, again = true): Promise<Receipt> {
  const { graft } = context
  const { input, text, delivery, resume, files = [], kind = "user", data } = asked
  const hash = digest(kind === "user" && files.length === 0 ? text : JSON.stringify([kind, text, files, data]))
  const before = await getInput(graft.store, session.id, input)
  if (before && before.hash !== hash) throw conflict(input)
  if (before) return receiptOf(context, session.id, before)
  if (await countPending(graft.store, session.id) >= MOST_PENDING) throw full(session.id)
  if (kind === "user") await askAdmission(context, session, text, delivery)
  const attached = files.length === 0 ? [] : await (await import("./attachments.ts")).materialise(graft, session, files)
  const title = session.title === "" && kind === "user" ? [fact("session.updated", { title: firstWords(text || attached[0]!.name) })] : []
  try {
    await context.say(session, [
      ...(await decided(context, session, asked)),
      fact("session.input.admitted", { input, delivery, resume, text, hash, ...(kind !== "user" && { kind }), ...(attached.length > 0 && { files: attached }), ...(data !== undefined && { data }) }),
      ...title,
    ], {
      command: { id: `${session.id}/${input}`, kind: "prompt", hash },
      // Others may be admitting at this very moment.
      writes: [atMostPending(session.id, MOST_PENDING)],
    })
  } catch (error) {
    // Somebody else decided, or filled the inbox, at this very moment.
    if (codeOf(error) === "store.conflict" && again && (await countPending(graft.store, session.id)) < MOST_PENDING) return admit(context, await context.known(session.id), asked, false)
    if (codeOf(error) === "store.conflict") throw full(session.id)
    throw codeOf(error) === "eventlog.conflict" ? conflict(input) : error
  }
  return receiptOf(context, session.id, (await getInput(graft.store, session.id, input))!)
}

async function receiptOf({ graft }: Context, session: string, { id, admitted, state }: InputRow): Promise<Receipt> {
  const { cursor } = (await graft.eventlog.head(session))!
  return { session, input: id, seq: admitted, cursor: `${cursor.slice(0, cursor.lastIndexOf(":"))}:${admitted}`, state }
}

/** Whoever says something new leaves the request that may have been sent. */
async function decided({ graft }: Context, { id, status }: Session, { kind = "user", resume }: Asked): Promise<Fact[]> {
  if (status !== "parked" || kind !== "user" || !resume) return []
  const open = await undecidedOf(graft.store, id)
  return open ? [fact("activity.recovery.decided", { ...open, decision: "abandon" })] : []
}

async function askAdmission({ graft }: Context, session: Session, text: string, delivery: Delivery): Promise<void> {
  using project = await graft.at(session.location)
  const answer = await project.decide("input.admit", { session: session.id, text, delivery })
  if (answer && "refuse" in answer) throw new SessionError("session.refused", answer.refuse)
}

const full = (session: string) => new SessionError("session.full", `${MOST_PENDING} inputs of session ${session} already wait; let it work, or take some back`)
const conflict = (input: string) => new SessionError("session.conflict", `input "${input}" was admitted before with another content; choose another id`)

export const digest = (text: string): string => createHash("sha256").update(text).digest("base64url").slice(0, 22)
