/** A summary by a model: one request, its words told as they come. */
import type { Graft } from "graft"
import { paths } from "../lib/paths.ts"
import { promptNamed } from "../lib/prompt.ts"
import { toFold } from "../lib/summary.ts"
import { usageOf } from "../lib/usage.ts"
import type { TurnRequest } from "../llm/contract.ts"
import type { Model } from "../model/contract.ts"
import type { Usage } from "../session/contract.ts"
import type { CompactionWork } from "./contract.ts"
import type { Plan } from "./plan.ts"
import { clip, render } from "./render.ts"
import type { Settings } from "./settings.ts"
import { BYTES_A_TOKEN, roomOf } from "./size.ts"

/** Tokens that a summary may take, thoughts included. */
const LONGEST = 16_000
/** Bytes an output may have, tried until all fits; what then is still too long loses its middle. */
const OUTPUTS = [8_000, 2_000, 400, 0]
/** Estimates are off, and the prompt takes its part. */
const SAFE = 0.7
/** Tokens that are sent where a model's limit is not known, and at most half of what may have been too much. */
const UNKNOWN = 100_000

/** `finish` is undefined when the stream told none. */
export interface Written { text: string; finish: string | undefined; usage?: Usage }

/** The one that the config names, else the session's. */
export async function writerOf(graft: Pick<Graft, "model" | "log">, work: CompactionWork, { model }: Settings): Promise<Model> {
  if (model === undefined) return work.model
  return graft.model.resolve(model).catch((error: unknown) => {
    graft.log.warn(`\`compaction.model\` cannot be used, so ${work.model.ref} writes the summary:`, error)
    return work.model
  })
}

export async function write(graft: Graft, work: CompactionWork, { folded, before, tokens: standsFor }: Plan, writer: Model, settings: Settings, signal: AbortSignal): Promise<Written> {
  const room = roomOf(writer, settings)
  const tokens = room ? room.limit - room.reserved : Math.min(UNKNOWN, before / 2)
  const conversation = fitting(folded, Math.floor(tokens * SAFE * BYTES_A_TOKEN))
  const most = writer.limits?.output
  const request: TurnRequest = {
    model: writer.ref, system: [promptNamed("compaction", paths(graft.kernel.host.dataDir).config)], tools: [], headers: {},
    messages: [{ role: "user", content: [{ type: "text", text: toFold(conversation, work.instructions?.trim()) }] }],
    options: most === undefined ? {} : { maxOutputTokens: Math.min(most, LONGEST) },
  }
  const written: Written = { text: "", finish: undefined }
  for await (const part of graft.llm.stream(request, { signal })) {
    if (part.type === "text-delta") {
      written.text += part.delta
      graft.emit("session.compaction.delta", { session: work.session, text: part.delta })
      // What is longer already will be no summary.
      if (written.text.length > standsFor * BYTES_A_TOKEN) break
    } else if (part.type === "finish") Object.assign(written, { finish: part.finishReason.unified, usage: usageOf(part.usage, writer.cost) })
  }
  return written
}

function fitting(messages: Plan["folded"], bytes: number): string {
  let text = ""
  for (const output of OUTPUTS) {
    text = render(messages, { output, input: Math.max(output, 400) })
    if (Buffer.byteLength(text) <= bytes) return text
  }
  return clip(text, bytes)
}
