/**
 * Attachments, by one rule wherever they come from: their bytes are had, known for what they are, and kept as blobs before
 * the input is admitted; or the input is refused, and says which file, why, and what to do instead.
 */
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import type { Graft } from "graft"
import { ConfineError, locate, openReal } from "../../lib/confine.ts"
import { readMedia } from "../../lib/media.ts"
import { readUpTo } from "../../lib/textfile.ts"
import type { Attachment, Session } from "../contract.ts"
import { SessionError } from "../errors.ts"

/** Of one input, together; and of a text, which a model reads as a whole. */
const MOST_BYTES = 20 * 1024 * 1024
const MOST_TEXT = 1024 * 1024
/** Milliseconds for one address. */
const PATIENCE = 30_000

interface Had { name: string; bytes: Uint8Array }
interface Readable { media: string; bytes: Uint8Array }

export async function materialise(graft: Graft, session: Session, sources: readonly string[]): Promise<Attachment[]> {
  const attachments: Attachment[] = []
  let left = MOST_BYTES
  for (const source of sources) {
    const { name, bytes } = await have(graft, session, source, left)
    const read = readMedia(bytes)
    if (!read) throw refused(source, "is neither text (UTF-8 or UTF-16), nor an image (PNG, JPEG, GIF, WebP), a PDF or a sound (WAV, MP3)")
    if (read.media === "text/plain" && read.bytes.length > MOST_TEXT) throw refused(source, `is a text of ${read.bytes.length} bytes, and ${MOST_TEXT} can be attached: name its path in the words instead, and it is read in parts`)
    left -= read.bytes.length
    const kept = read.media.startsWith("image/") ? await fitted(read, graft.signal) : read
    const { sha256 } = await graft.store.putBlob(kept.bytes, kept.media)
    attachments.push({ name, media: kept.media, blob: sha256, bytes: kept.bytes.length })
  }
  return attachments
}

/** A picture as models take it; of one that cannot be made smaller its vendor may say what is wrong. */
async function fitted(read: Readable, signal: AbortSignal): Promise<Readable> {
  const { fitting, PictureError } = await import("../../lib/picture.ts")
  return fitting(read.bytes, read.media, signal).catch((error: unknown) => {
    if (error instanceof PictureError) return read
    throw error
  })
}

function have(graft: Graft, session: Session, source: string, left: number): Promise<Had> | Had {
  if (/^data:/i.test(source)) return inlined(source, left)
  if (/^https?:/i.test(source)) return fetched(graft, session, source, left)
  if (/^file:/i.test(source)) return opened(source, pathOf(source), session.directory, left)
  return opened(source, source, session.directory, left)
}

function inlined(source: string, left: number): Had {
  const [, base64, content] = /^data:[^,]*?(;base64)?,(.*)$/is.exec(source) ?? []
  if (content === undefined) throw refused("a data: URL", "has no comma before its data")
  try {
    const bytes = Buffer.from(decodeURIComponent(content), base64 ? "base64" : "utf8")
    if (bytes.length > left) throw tooLarge("a data: URL", bytes.length)
    return { name: "data", bytes }
  } catch (error) {
    throw error instanceof URIError ? refused("a data: URL", "is not encoded as a URL has to be") : error
  }
}

/** By the rule of `webfetch`: what `web.private` in the config does not name, of this machine and its network, is refused. */
async function fetched(graft: Graft, session: Session, source: string, left: number): Promise<Had> {
  const { WebError, webGet, webUrl } = await import("../../lib/webget.ts")
  const [offline, allowed = []] = await Promise.all([graft.config.get<boolean>("offline", session.location), graft.config.get<string[]>("web.private", session.location)])
  if (offline) throw refused(source, "is not fetched, because Graft runs offline: save it to a file, and attach that")
  try {
    const { url, status, body, cut } = await webGet(webUrl(source), { signal: graft.signal, most: left, milliseconds: PATIENCE, follow: () => {}, isAllowed: (host) => allowed.includes(host) })
    if (status < 200 || status >= 300) throw refused(source, `cannot be had: it answers ${status}`)
    if (cut) throw tooLarge(source, left + 1)
    const { pathname, hostname } = new URL(url)
    return { name: nameOf(pathname.split("/").at(-1) || hostname), bytes: body }
  } catch (error) {
    throw error instanceof WebError ? refused(source, `cannot be had: ${error.message}`) : error
  }
}

async function opened(source: string, path: string, directory: string, left: number): Promise<Had> {
  try {
    const { real } = await locate(path, directory)
    await using file = await openReal(real)
    const status = await file.stat()
    if (status.isDirectory()) throw refused(source, "is a directory: attach the files in it that matter, or name it in the words")
    if (!status.isFile()) throw refused(source, "is no regular file")
    const bytes = status.size > left ? undefined : await readUpTo(file, left)
    if (!bytes) throw tooLarge(source, Math.max(status.size, left + 1))
    return { name: nameOf(basename(path)), bytes }
  } catch (error) {
    if (error instanceof SessionError) throw error
    if (error instanceof ConfineError && error.code === "confine.missing") throw refused(source, `is not there (looked for below ${directory})`)
    throw refused(source, `cannot be read: ${(error as Error).message}`)
  }
}

function pathOf(source: string): string {
  try {
    return fileURLToPath(source)
  } catch {
    throw refused(source, "is not the URL of a file on this machine")
  }
}

const nameOf = (name: string): string => name.replaceAll(/\p{Cc}/gu, "").slice(0, 200).toWellFormed()
const refused = (source: string, why: string) => new SessionError("session.attachment", `${source.length > 200 ? `${source.slice(0, 199)}…` : source} ${why}`)
const tooLarge = (source: string, bytes: number) => refused(source, `has ${bytes} bytes or more, and the attachments of one input have at most ${MOST_BYTES} together`)
