/** A request that was sent, made again from the log and what was kept beside it; its hash proves that it is the same. */
import type { Graft } from "graft"
import { afterBoundary, emptyTranscript, evolveTranscript } from "../lib/transcript.ts"
import type { SessionFacts } from "../session/contract.ts"
import { attachmentsOf } from "./attached.ts"
import { hashOf, requestOf } from "./context.ts"
import type { PastRequest } from "./contract.ts"
import { promptOf } from "./request.ts"

const fail = (code: string, message: string) => Object.assign(new Error(message), { code })

export async function pastRequest(graft: Pick<Graft, "eventlog" | "store" | "model">, session: string, attempt: string): Promise<PastRequest> {
  const transcript = emptyTranscript(session)
  for (let after = 0, head = Infinity; after < head; ) {
    const page = await graft.eventlog.read({ aggregate: session, after, limit: 4_096 })
    for (const event of page.events) {
      const data = event.data as unknown as SessionFacts["provider.attempt.prepared"]
      if (event.type === "provider.attempt.prepared" && data.attempt === attempt) return remake(graft, transcript, data)
      evolveTranscript(transcript, event)
    }
    head = page.head
    after = page.events.at(-1)?.seq ?? head
  }
  throw fail("runner.attempt", `session ${session} has no attempt "${attempt}"; they are named like a1.2.1: activity, turn, try`)
}

/** What a model could take is asked of the model that there is now: where that has changed, the hash tells. */
async function remake(graft: Pick<Graft, "store" | "model">, transcript: Parameters<typeof afterBoundary>[0], { attempt, model, context = "", hash }: SessionFacts["provider.attempt.prepared"]): Promise<PastRequest> {
  const kept = await graft.store.getBlob(context)
  if (!kept) throw fail("runner.context", `what attempt ${attempt} was made of (blob ${context}) is not there any more`)
  const told = afterBoundary(transcript)
  const capabilities = (await graft.model.get(model).catch(() => undefined))?.capabilities
  const messages = promptOf(told, await attachmentsOf(graft.store, told, capabilities, new Map()))
  const request = requestOf(model, messages, Buffer.from(kept).toString("utf8"))
  return { attempt, request, hash, same: hashOf(request, context) === hash }
}
