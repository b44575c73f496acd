/** A text file opened for a change: its bytes, encoding and version in one look. */
import { openReal } from "./confine.ts"
import { decode, versionOf, type Encoding } from "./text.ts"

export interface TextFile { text: string; encoding: Encoding; version: string }

const MAX_BYTES = 10 * 1024 * 1024

/** `textfile.refused`: not a regular file, too large, or binary. */
export class TextFileError extends Error {
  readonly code = "textfile.refused"
}

/** `undefined` where nothing is there. */
export async function readTextFile(real: string): Promise<TextFile | undefined> {
  try {
    await using file = await openReal(real)
    const status = await file.stat()
    if (!status.isFile()) throw new TextFileError(`${real} is ${status.isDirectory() ? "a directory" : "not a regular file"}`)
    if (status.size > MAX_BYTES) throw new TextFileError(`${real} has ${status.size} bytes; files up to ${MAX_BYTES} are changed here`)
    const bytes = await file.readFile()
    const decoded = decode(bytes)
    if (!decoded) throw new TextFileError(`${real} is a binary file; it is left alone`)
    return { ...decoded, version: versionOf(bytes) }
  } catch (error) {
    if ((error as { code?: unknown }).code === "confine.missing") return undefined
    throw error
  }
}
