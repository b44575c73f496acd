/** A text file opened for a change: its bytes, encoding and version in one look. */
import type { FileHandle } from "node:fs/promises"
import { openReal } from "./confine.ts"
import { decode, versionOf, type Decoded } from "./text.ts"

export interface TextFile extends Decoded { version: string }

const MAX_BYTES = 10 * 1024 * 1024

/** `textfile.refused`: not a regular file, too large, or binary. */
export class TextFileError extends Error {
  readonly code = "textfile.refused"
}

/** Any file's bytes; `decoded` is missing where they are no text. */
export interface WholeFile { bytes: Buffer; version: string; decoded?: Decoded }

/** `undefined` where nothing is there. */
export async function readTextFile(real: string): Promise<TextFile | undefined> {
  const file = await readWholeFile(real)
  if (file && !file.decoded) throw new TextFileError(`${real} is a binary file; it is left alone`)
  return file && { ...file.decoded!, version: file.version }
}

/** `undefined` where nothing is there. */
export async function readWholeFile(real: string): Promise<WholeFile | undefined> {
  try {
    await using file = await openReal(real)
    const status = await file.stat()
    if (!status.isFile()) throw new TextFileError(`${real} is ${status.isDirectory() ? "a directory" : "not a regular file"}`)
    const bytes = status.size > MAX_BYTES ? undefined : await readUpTo(file, MAX_BYTES)
    if (!bytes) throw new TextFileError(`${real} has ${Math.max(status.size, MAX_BYTES + 1)} bytes or more; files up to ${MAX_BYTES} are changed here`)
    const decoded = decode(bytes)
    return { bytes, version: versionOf(bytes), ...(decoded && { decoded }) }
  } catch (error) {
    if ((error as { code?: unknown }).code === "confine.missing") return undefined
    throw error
  }
}

/** All of a file, or undefined where it goes on beyond `most` bytes: its size is only what it was, and some files have none. */
export async function readUpTo(file: FileHandle, most: number): Promise<Buffer | undefined> {
  const { size } = await file.stat()
  let buffer = Buffer.allocUnsafe(Math.min(size, most) + 1)
  for (let length = 0; ; ) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length)
    if (bytesRead === 0) return buffer.subarray(0, length)
    length += bytesRead
    if (length > most) return undefined
    if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(Math.min(Math.max(length, 65_536), most + 1 - length))])
  }
}
