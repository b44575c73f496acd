/** What a server answered, as a model reads it: text as it is, what cannot be read as a short note, structured content as JSON. */
import { isDeepStrictEqual } from "node:util"
import * as v from "valibot"
import { mediaOf } from "../../lib/media.ts"
import type { ToolFile, ToolResult } from "../../tool/contract.ts"

/** Of one answer. */
export const MOST_FILES = 20
/** Characters of one picture or sound in base64, 20 MiB of bytes. */
const MOST_DATA = 28 * 1024 * 1024

/** Taken as loosely as it is sent: what is odd in it is shown, or noted. */
export const CallResult = v.looseObject({ content: v.optional(v.array(v.unknown()), []), structuredContent: v.optional(v.unknown()), isError: v.optional(v.boolean(), false) })

export function resultOf({ content, structuredContent, isError }: v.InferOutput<typeof CallResult>, title: string): Exclude<ToolResult, string> {
  const parts = content.map(shown)
  const files = content.flatMap((part) => fileOf(part)).slice(0, MOST_FILES)
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
    case "resource": return contentsOf((resource ?? {}) as Contents, fileOf(part).length > 0)
    case "resource_link": return `(resource ${word(uri)}${word(name) ? `, ${word(name)}` : ""}: mcp_read reads it)`
    default: return `(a part of type ${JSON.stringify(type)?.slice(0, 64) ?? "nothing"}, not shown)`
  }
}

export function contentsOf({ uri, mimeType, text, blob }: Contents, isShown = false): string {
  if (typeof text === "string") return `${word(uri)}:\n${text}`
  return `(${word(uri)}${kindOf(mimeType)}${sizeOf(blob)}${isShown ? "" : ", not shown"})`
}

/** What a model may be able to look at; what it is its bytes say, since a wrong word about it would spoil every request from here on. */
export function fileOf(part: unknown): ToolFile[] {
  const { type, data, resource } = (part ?? {}) as Record<string, unknown>
  const { blob, uri } = (type === "resource" ? (resource ?? {}) : {}) as Contents
  const base64 = type === "resource" ? blob : type === "image" || type === "audio" ? data : undefined
  if (typeof base64 !== "string" || base64 === "" || base64.length > MOST_DATA) return []
  const bytes = Buffer.from(base64, "base64")
  const media = mediaOf(bytes)
  return media === undefined ? [] : [{ name: word(uri).split("/").at(-1) || `${String(type)}.${media.split("/")[1]}`, media, bytes }]
}

const word = (value: unknown): string => (typeof value === "string" ? value.replace(/\s+/g, " ").slice(0, 500) : "")
const kindOf = (mimeType: unknown): string => (word(mimeType) ? `, ${word(mimeType)}` : "")
const sizeOf = (base64: unknown): string => (typeof base64 === "string" ? `, ${Math.floor((base64.length * 3) / 4)} bytes` : "")
