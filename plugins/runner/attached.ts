/**
 * Attachments as a model can take them: text as text, pictures, documents and sound as their bytes, and where a model is
 * known not to take such a thing, a line that says so. Kept for a while, because each request has them again.
 */
import type { LanguageModelV4FilePart, LanguageModelV4TextPart } from "@ai-sdk/provider"
import type { Capabilities } from "../model/contract.ts"
import type { Attachment, Message } from "../session/contract.ts"
import type { Store } from "../store/contract.ts"
import { Beginnings } from "./begun.ts"
import { isSettled, type Attached } from "./request.ts"

type File = Pick<Attachment, "name" | "media" | "blob">
type Shown = LanguageModelV4TextPart | LanguageModelV4FilePart
export type Seen = Map<string, Shown>

const MOST_SEEN = 64

export async function attachmentsOf(store: Pick<Store, "getBlob">, messages: readonly Message[], capabilities: Capabilities = {}, seen: Seen): Promise<Attached> {
  const { images, pdf, audio } = capabilities
  const sight = JSON.stringify([images !== false, pdf !== false, audio !== false])
  const files = filesIn(messages)
  const parts = new Map<string, Shown>()
  for (const file of files) {
    const key = `${sight} ${file.name} ${file.blob}`
    const shown = seen.get(key) ?? (await show(store, file, capabilities))
    seen.delete(key)
    if (shown === undefined) continue
    seen.set(key, shown)
    parts.set(file.blob, shown)
  }
  for (const [oldest] of seen) if (seen.size > Math.max(MOST_SEEN, files.length)) seen.delete(oldest)
  return { sight, parts }
}

/** What people say brings its files along when it comes, a call's result when it is settled. */
const found = new Beginnings<Message, readonly File[]>()
function filesIn(messages: readonly Message[]): readonly File[] {
  const begun = found.of(messages)
  const from = begun?.items.length ?? 0
  const open = messages.findIndex((message, index) => index >= from && !isSettled(message))
  const to = open < 0 ? messages.length : open
  const more = messages.slice(from, to).flatMap(filesOf)
  const files = more.length > 0 ? [...(begun?.made ?? []), ...more] : (begun?.made ?? [])
  found.keep(messages.slice(0, to), files)
  return open < 0 ? files : [...files, ...messages.slice(to).flatMap(filesOf)]
}

const filesOf = ({ parts }: Message): readonly File[] => parts.flatMap((part): readonly File[] => (part.kind === "file" ? [part] : part.kind === "tool" ? [...(part.files ?? [])] : []))

async function show(store: Pick<Store, "getBlob">, { name, media, blob }: File, { images, pdf, audio }: Capabilities): Promise<Shown | undefined> {
  const refused = (media.startsWith("image/") && images === false) || (media === "application/pdf" && pdf === false) || (media.startsWith("audio/") && audio === false)
  if (refused) return { type: "text", text: `[${name} (${media}) is attached, but this model cannot take such a file: say so${media === "application/pdf" ? "; its text may be had with bash and pdftotext" : ""}]` }
  const bytes = await store.getBlob(blob)
  if (!bytes) return undefined
  if (media.startsWith("text/") || media === "application/json") return { type: "text", text: `<file name=${JSON.stringify(name)}>\n${Buffer.from(bytes).toString("utf8").toWellFormed()}\n</file>` }
  return { type: "file", filename: name, mediaType: media, data: { type: "data", data: Buffer.from(bytes).toString("base64") } }
}
