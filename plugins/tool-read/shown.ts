/** What a model is shown rather than told: pictures, made smaller where they are too large, and documents. */
import { basename } from "node:path"
import { mediaOf } from "../lib/media.ts"
import { decode } from "../lib/text.ts"
import type { ToolResult } from "../tool/contract.ts"

/** Bytes of a file, before a picture is made smaller; and of a document, which goes as it is. */
export const MOST_MEDIA = 20 * 1024 * 1024
const MOST_DOCUMENT = 10 * 1024 * 1024

/** By its bytes, not its name; a text that happens to begin like something else is a text. */
export function mediaIn(bytes: Buffer): string | undefined {
  const media = mediaOf(bytes)
  if (media === undefined || media.startsWith("audio/")) return undefined
  const document = media === "application/pdf" && bytes.toString("latin1", 0, 5) === "%PDF-"
  return document || decode(bytes)?.encoding !== "utf-8" ? media : undefined
}

/** Whether the model can take it is known where its requests are made: there it is told that it cannot. */
export async function shownMedia(bytes: Buffer, media: string, path: string, signal: AbortSignal): Promise<Exclude<ToolResult, string>> {
  const name = basename(path)
  if (media === "application/pdf") {
    if (bytes.length > MOST_DOCUMENT) return { output: `${path} is a PDF of ${bytes.length} bytes; up to ${MOST_DOCUMENT} are shown. Take pages out of it with bash (pdfseparate, qpdf), or its text (pdftotext)`, failed: true }
    return { output: `${path} is a PDF (${bytes.length} bytes), shown beside this.`, title: path, files: [{ name, media, bytes }] }
  }
  const { fitting, PictureError } = await import("../lib/picture.ts")
  try {
    const picture = await fitting(bytes, media, signal)
    const size = `${picture.width}×${picture.height}${picture.from ? `, made smaller from ${picture.from.width}×${picture.from.height}` : ""}`
    return { output: `${path} is an image (${media}, ${size}), shown beside this.`, title: path, files: [{ name, media: picture.media, bytes: picture.bytes }] }
  } catch (error) {
    if (!(error instanceof PictureError)) throw error
    return { output: `${path} is an image (${media}, ${bytes.length} bytes), and cannot be shown: ${error.message}`, failed: true }
  }
}
