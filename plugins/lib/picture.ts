/**
 * Pictures as models take them. Vendors scale down what is larger, refuse many large ones in one conversation, and count
 * bytes; so what is too large is made smaller first, in a thread of its own: what a picture can be made to cost is bounded
 * in time and memory, and holds up nobody. One that fits stays as it is.
 */
import { createRequire } from "node:module"
import { Worker } from "node:worker_threads"

export interface Size { width: number; height: number }
/** `from`: as large as it was, where it was made smaller. */
export interface Picture extends Partial<Size> { bytes: Uint8Array; media: string; from?: Size }

/** Pixels of an edge, and bytes (a third more as base64). */
const MOST_EDGE = 2_000
const MOST_BYTES = 3_500_000
/** What is unpacked: four bytes each. */
const MOST_PIXELS = 64_000_000
const PATIENCE = 15_000

/** `picture.refused`: too large to be made smaller, or broken. */
export class PictureError extends Error {
  readonly code = "picture.refused"
}

export async function fitting(bytes: Uint8Array, media: string, signal: AbortSignal): Promise<Picture> {
  const size = sizeOf(bytes, media)
  if (size && Math.max(size.width, size.height) <= MOST_EDGE && bytes.length <= MOST_BYTES) return { bytes, media, ...size }
  if (!size) throw new PictureError("it is broken: it does not say how large it is")
  if (size.width * size.height > MOST_PIXELS) throw new PictureError(`it has ${size.width}×${size.height} pixels, and up to ${MOST_PIXELS} can be made smaller here; make it smaller with bash`)
  const smaller = await shrunk(bytes, media, signal)
  if (!smaller) throw new PictureError("it could not be made smaller: it is broken, or takes too long")
  return { ...smaller, from: size }
}

function shrunk(bytes: Uint8Array, media: string, signal: AbortSignal): Promise<Picture | undefined> {
  const photon = createRequire(import.meta.url).resolve("@silvia-odwyer/photon-node")
  const worker = new Worker(SHRINK, { eval: true, execArgv: [], env: {}, workerData: { photon, bytes, media, edge: MOST_EDGE, most: MOST_BYTES } })
  const { promise, resolve } = Promise.withResolvers<Picture | undefined>()
  const give = () => resolve(undefined)
  const late = setTimeout(give, PATIENCE)
  signal.addEventListener("abort", give, { once: true })
  worker.once("message", resolve).once("error", give).once("exit", give)
  return promise.finally(() => {
    clearTimeout(late)
    signal.removeEventListener("abort", give)
    return worker.terminate()
  })
}

/** A photograph stays one; what has sharp edges stays so as long as it fits. */
const SHRINK = `
  const { parentPort, workerData: { photon, bytes, media, edge, most } } = require("node:worker_threads")
  const { PhotonImage, resize, SamplingFilter } = require(photon)
  const picture = PhotonImage.new_from_byteslice(bytes)
  const [width, height] = [picture.get_width(), picture.get_height()]
  for (let scale = Math.min(1, edge / Math.max(width, height)), tries = 0; ; scale *= tries === 0 ? 1 : 0.7, tries++) {
    const made = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
    const smaller = resize(picture, made.width, made.height, SamplingFilter.Lanczos3)
    const photo = media === "image/jpeg" || tries > 0
    const out = photo ? smaller.get_bytes_jpeg(85) : smaller.get_bytes()
    smaller.free()
    if (out.length > most && tries < 8) continue
    parentPort.postMessage({ ...made, bytes: out, media: photo ? "image/jpeg" : "image/png" })
    break
  }
`

/** As its header says; undefined where it says nothing. */
export function sizeOf(bytes: Uint8Array, media: string): Size | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    const size = SIZES[media]?.(view)
    return size && size.width > 0 && size.height > 0 ? size : undefined
  } catch {
    // It ends before it says so.
    return undefined
  }
}

const SIZES: Readonly<Record<string, (bytes: Buffer) => Size | undefined>> = {
  "image/png": (bytes) => ({ width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }),
  "image/gif": (bytes) => ({ width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) }),
  "image/jpeg": jpegSize,
  "image/webp": webpSize,
}

/** The frame header is one of many segments, each with its length (ITU T.81, annex B). */
function jpegSize(bytes: Buffer): Size | undefined {
  for (let at = 2; bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!
    if (marker === 0xff) at++
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return { height: bytes.readUInt16BE(at + 5), width: bytes.readUInt16BE(at + 7) }
    else at += 2 + bytes.readUInt16BE(at + 2)
  }
  return undefined
}

/** Three kinds of chunk begin a file (RFC 9649). */
function webpSize(bytes: Buffer): Size | undefined {
  switch (bytes.toString("latin1", 12, 16)) {
    case "VP8X": return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 }
    case "VP8L": return { width: (bytes.readUInt32LE(21) & 0x3fff) + 1, height: ((bytes.readUInt32LE(21) >>> 14) & 0x3fff) + 1 }
    case "VP8 ": return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff }
    default: return undefined
  }
}
