/** What a file is, told from its bytes: a name may say anything. Only what some model can read has a type here. */
import { decode } from "./text.ts"

/** Undefined for text, and for what is known to nobody. */
export const mediaOf = (bytes: Uint8Array): string | undefined => MEDIA.find(([, is]) => is(bytes))?.[0]

/** `bytes` as they are kept: text is UTF-8, whatever it came as. Undefined for what no model reads. */
export function readMedia(bytes: Uint8Array): { media: string; bytes: Uint8Array } | undefined {
  const media = mediaOf(bytes)
  if (media) return { media, bytes }
  const decoded = decode(bytes)
  // Bytes that are no UTF-8 could be anything, and would be read as other words than they are.
  if (!decoded || decoded.encoding === "latin1") return undefined
  return { media: "text/plain", bytes: decoded.encoding === "utf-8" ? bytes : Buffer.from(decoded.text) }
}

const begins = (bytes: Uint8Array, signature: readonly number[] | string, at = 0): boolean =>
  (typeof signature === "string" ? [...Buffer.from(signature, "latin1")] : signature).every((byte, i) => bytes[at + i] === byte)
const inRiff = (bytes: Uint8Array, kind: string): boolean => begins(bytes, "RIFF") && begins(bytes, kind, 8)

const MEDIA: readonly [string, (bytes: Uint8Array) => boolean][] = [
  ["image/png", (bytes) => begins(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])],
  ["image/jpeg", (bytes) => begins(bytes, [0xff, 0xd8, 0xff])],
  ["image/gif", (bytes) => begins(bytes, "GIF87a") || begins(bytes, "GIF89a")],
  ["image/webp", (bytes) => inRiff(bytes, "WEBP")],
  // Readers look for it in the first kilobyte (ISO 32000, annex H).
  ["application/pdf", (bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 1_024)).includes("%PDF-")],
  ["audio/wav", (bytes) => inRiff(bytes, "WAVE")],
  ["audio/mpeg", (bytes) => begins(bytes, "ID3") || (bytes[0] === 0xff && [0xfb, 0xf3, 0xf2].includes(bytes[1]!))],
]
