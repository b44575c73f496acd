/** A patch as a model writes it, in either format, perhaps in a fence. Pure. */
import { uniformNewline } from "../lib/text.ts"
import { isEnvelope, parseEnvelope } from "./envelope.ts"
import { PatchError, type Section } from "./section.ts"
import { parseUnified } from "./unified.ts"

/** Files of one patch. */
const MOST_FILES = 100

export function parsePatch(text: string): Section[] {
  const lines = unfenced((uniformNewline(text) === "\r\n" ? text.replaceAll("\r\n", "\n") : text).split("\n"))
  const sections = isEnvelope(lines) ? parseEnvelope(lines) : parseUnified(lines)
  if (sections.length === 0) throw new PatchError("patch.syntax", "the patch changes no file")
  if (sections.length > MOST_FILES) throw new PatchError("patch.syntax", `the patch changes ${sections.length} files; at most ${MOST_FILES} are changed at once`)
  return sections
}

/** Without the fence around it, and empty lines at its end (one with a space is an empty line of the file); line numbers stay. */
function unfenced(lines: readonly string[]): string[] {
  const end = lines.findLastIndex((line) => line !== "")
  const fenced = lines[0]!.startsWith("```") && lines[end] === "```"
  return fenced ? ["", ...lines.slice(1, end)] : lines.slice(0, end + 1)
}
