/** What a patch says of one file, whichever way it was written. */

/** ` ` stands and stays, `-` goes, `+` comes. */
export interface HunkLine { sign: " " | "-" | "+"; text: string }
export interface Hunk {
  /** The line of the patch at which it begins, for errors. */
  at: number
  lines: HunkLine[]
  /** Lines above it, the outermost first, as they stand behind `@@`. */
  above: string[]
  /** The line of the file at which it should stand, from 1. */
  line?: number
  /** It ends where the file ends. */
  end?: boolean
  /** Does the new file's last line, which is in this hunk, end with a newline? Absent: as before. */
  newline?: boolean
}
export type Section =
  | { kind: "add"; path: string; content: string; mode?: number }
  /** With `hunks`: what it is expected to hold. */
  | { kind: "delete"; path: string; hunks?: Hunk[] }
  | { kind: "update"; path: string; to?: string; hunks: Hunk[] }

export type PatchCode = "patch.syntax" | "patch.missing" | "patch.exists" | "patch.none" | "patch.ambiguous" | "patch.overlap" | "patch.encoding" | "patch.same" | "patch.refused"

/** `patch.syntax`: it cannot be read. The others: a file is not what the patch takes it for, or the place of a hunk is not certain. Nothing was changed. */
export class PatchError extends Error {
  readonly code: PatchCode
  constructor(code: PatchCode, message: string) {
    super(message)
    this.code = code
  }
}

export const syntax = (line: number, what: string): PatchError => new PatchError("patch.syntax", `line ${line} of the patch: ${what}`)
