/** What a server answered, as a model reads it: text as it is, what cannot be read as a short note, structured content as JSON. */
import { isDeepStrictEqual } from "node:util"
import * as v from "valibot"
import type { ToolFile, ToolResult } from "../../tool/contract.ts"

/** Of one answer. */
const MOST_FILES = 20
/** Characters of one picture or sound in base64, 20 MiB of bytes. */
const MOST_DATA = 28 * 1024 * 1024
const ENDS: Readonly<Record<string, string>> = { "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "audio/wav": "wav", "audio/mpeg": "mp3", "application/pdf": "pdf" }

/** Taken as loosely as it is sent: what is odd in it is shown, or noted. */
export const CallResult = v.looseObject({ content: v.optional(v.array(v.unknown()), []), structuredContent: v.optional(v.unknown()), isError: v.optional(v.boolean(), false) })

export function resultOf({ content, structuredContent, isError }: v.InferOutput<typeof CallResult>, title: string): Exclude<ToolResult, string> {
  const parts = content.map(shown)
  const files = content.flatMap(fileOf).slice(0, MOST_FILES)
  const structured = structuredContent !== undefined && !content.some((part) => says(part, structuredContent)) ? [JSON.stringify(structuredContent, null, 2)] : []
  return { output: [...parts, ...structured].join("\n"), title, ...(files.length > 0 && { files }), ...(isError && { failed: true }) }
}

/** Many servers give it twice, for clients that read only text. */
function says(part: unknown, structured: unknown): boolean {
  const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown }
  if (type !== "text" || typeof text !== "string") return false
  try {
    return isDeepStrictEqual(JSON.parse(text), structured)
  } catch {
    return false
  }
}

export interface Contents { uri?: unknown; mimeType?: unknown; text?: unknown; blob?: unknown }

function shown(part: unknown): string {
  const { type, text, data, mimeType, resource, uri, name } = (part ?? {}) as Record<string, unknown>
  switch (type) {
    case "text": return typeof text === "string" ? text : "(a text part without text)"
    case "image": case "audio": return `(${type}${kindOf(mimeType)}${sizeOf(data)}${fileOf(part).length > 0 ? "" : ", not shown"})`
    case "resource": return contentsOf((resource ?? {}) as Contents)
    case "resource_link": return `(resource ${word(uri)}${word(name) ? `, ${word(name)}` : ""}: mcp_read reads it)`
    default: return `(a part of type ${JSON.stringify(type)?.slice(0, 64) ?? "nothing"}, not shown)`
  }
}

export function contentsOf({ uri, mimeType, text, blob }: Contents): string {
  if (typeof text === "string") return `${word(uri)}:\n${text}`
  return `(${word(uri)}${kindOf(mimeType)}${sizeOf(blob)}, not shown)`
}

/** What a model may be able to look at, or hear; of what is no picture, sound or document only the note is left. */
function fileOf(part: unknown): ToolFile[] {
  const { type, data, mimeType, resource } = (part ?? {}) as Record<string, unknown>
  const { blob, mimeType: kind, uri } = (type === "resource" ? (resource ?? {}) : {}) as Contents
  const [media, base64] = type === "image" || type === "audio" ? [mimeType, data] : [kind, blob]
  if (typeof media !== "string" || typeof base64 !== "string" || base64 === "" || base64.length > MOST_DATA || !Object.hasOwn(ENDS, media)) return []
  return [{ name: word(uri).split("/").at(-1) || `${type === "resource" ? "file" : String(type)}.${ENDS[media]}`, media, bytes: Buffer.from(base64, "base64") }]
}

const word = (value: unknown): string => (typeof value === "string" ? value.replace(/\s+/g, " ").slice(0, 500) : "")
const kindOf = (mimeType: unknown): string => (word(mimeType) ? `, ${word(mimeType)}` : "")
const sizeOf = (base64: unknown): string => (typeof base64 === "string" ? `, ${Math.floor((base64.length * 3) / 4)} bytes` : "")
