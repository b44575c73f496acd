/** Text as it lies on disk: encodings and line ends are kept when a file is changed, and binary is told from text. */
import { createHash } from "node:crypto"

export type Encoding = "utf-8" | "utf-8-bom" | "utf-16le" | "utf-16be" | "latin1"
export interface Decoded { text: string; encoding: Encoding }

/** The version of a file is the hash of its bytes: a touched file with the same content is the same version. */
export const versionOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

/** A NUL byte in the first 8 KiB of what is no UTF-16. */
export const isBinary = (bytes: Uint8Array): boolean => !utf16(bytes) && bytes.subarray(0, 8192).includes(0)

/** `undefined` for binary. Bytes that are not UTF-8 are read as Latin-1, which gives every byte back unchanged. */
export function decode(bytes: Uint8Array): Decoded | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wide = utf16(bytes)
  if (wide) return { text: (wide === "utf-16le" ? buffer : Buffer.from(buffer).swap16()).toString("utf16le", 2), encoding: wide }
  if (isBinary(bytes)) return undefined
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(buffer)
    return text.startsWith("\uFEFF") ? { text: text.slice(1), encoding: "utf-8-bom" } : { text, encoding: "utf-8" }
  } catch {
    return { text: buffer.toString("latin1"), encoding: "latin1" }
  }
}

/** `undefined` when the text has a character that the encoding lacks. */
export function encode(text: string, encoding: Encoding): Buffer | undefined {
  switch (encoding) {
    case "utf-8": return Buffer.from(text, "utf8")
    case "utf-8-bom": return Buffer.from(`\uFEFF${text}`, "utf8")
    case "utf-16le": return Buffer.from(`\uFEFF${text}`, "utf16le")
    case "utf-16be": return Buffer.from(`\uFEFF${text}`, "utf16le").swap16()
    case "latin1": return /[\u{100}-\u{10FFFF}]/u.test(text) ? undefined : Buffer.from(text, "latin1")
    default: return encoding satisfies never
  }
}

/** How all lines end; `undefined` where they differ. A text of one line ends in LF. */
export function uniformNewline(text: string): "\n" | "\r\n" | undefined {
  const pairs = text.split("\r\n").length - 1
  if (pairs === 0) return "\n"
  return text.split("\n").length - 1 === pairs ? "\r\n" : undefined
}

function utf16(bytes: Uint8Array): "utf-16le" | "utf-16be" | undefined {
  if (bytes.length % 2 !== 0) return undefined
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le"
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be"
  return undefined
}
