/** What a server sent, as text that a model reads: HTML becomes Markdown, text stays as it is, what is neither is only named. */
import type { WebAnswer } from "../lib/webget.ts"
import { markdownOf } from "./markdown.ts"

export type Format = "markdown" | "text" | "html"
export interface Page { text: string; /** What the reader has to know of it. */ notes: string[] }

/** Undefined: it is not text. */
export async function pageOf(answer: WebAnswer, format: Format, signal: AbortSignal): Promise<Page | undefined> {
  const text = textOf(answer)
  if (text === undefined) return undefined
  const notes = answer.cut ? [`only the first ${answer.body.length} bytes were read`] : []
  if (format === "html" || !isHtml(answer.media, text)) return { text, notes }
  const markdown = await markdownOf(text, signal)
  if (markdown === undefined) return { text, notes: [...notes, "its HTML could not be converted, and is given as it is"] }
  return { text: format === "text" ? plain(markdown) : markdown, notes }
}

const isHtml = (media: string, text: string): boolean => media === "text/html" || media === "application/xhtml+xml" || (media === "" && /^\s*<(!doctype html|html)/i.test(text))

function textOf({ body, media, charset }: WebAnswer): string | undefined {
  const named = /^text\/|[/+](json|xml|yaml|javascript|x-ndjson)$/.test(media)
  if (!named && body.subarray(0, 8_192).includes(0)) return undefined
  try {
    return new TextDecoder(charset, { fatal: !named }).decode(body)
  } catch {
    // An unknown charset, or bytes of another kind than was said.
    return named ? new TextDecoder().decode(body) : undefined
  }
}

/** Markdown without its links and marks. */
const plain = (markdown: string): string => markdown.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/^#{1,6} /gm, "").replace(/(\*\*|__|`)/g, "").replace(/\\([\\`*_{}[\]()#+.!-])/g, "$1")
