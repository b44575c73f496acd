/** The patch format between `*** Begin Patch` and `*** End Patch`: a section a file, hunks found by what they hold. Pure. */
import { syntax, type Hunk, type HunkLine, type Section } from "./section.ts"

const DIRECTIVE = /^\*\*\* (Add File|Update File|Delete File|Move File|Move to|End of File|End Patch)(?:: ?(.*))?$/

export const isEnvelope = (lines: readonly string[]): boolean => lines.some((line) => line.trimEnd() === "*** Begin Patch")

export function parseEnvelope(lines: readonly string[]): Section[] {
  const sections: Section[] = []
  let at = lines.findIndex((line) => line.trimEnd() === "*** Begin Patch") + 1
  for (;;) {
    const line = lines[at]
    if (line === undefined) throw syntax(at + 1, "*** End Patch is missing: the patch may have been cut")
    if (line.trim() === "") at++
    else if (line.trimEnd() === "*** End Patch") return sections
    else at = section(lines, at, sections)
  }
}

/** Reads one section, and gives where the next one begins. */
function section(lines: readonly string[], at: number, sections: Section[]): number {
  const [, kind, rest = ""] = DIRECTIVE.exec(lines[at]!.trimEnd()) ?? []
  const path = rest.trim()
  if (path === "" && kind !== undefined) throw syntax(at + 1, `*** ${kind}: a path is missing`)
  switch (kind) {
    case "Add File": {
      const end = next(lines, at + 1)
      sections.push({ kind: "add", path, content: added(lines, at + 1, end) })
      return end
    }
    case "Delete File":
      sections.push({ kind: "delete", path })
      return at + 1
    case "Update File": case "Move File": {
      const to = /^\*\*\* Move to: ?(.+)$/.exec(lines[at + 1] ?? "")?.[1]?.trim()
      const end = next(lines, at + (to === undefined ? 1 : 2))
      const hunks = hunksOf(lines, at + (to === undefined ? 1 : 2), end)
      if (hunks.length === 0 && to === undefined) throw syntax(at + 1, kind === "Move File" ? "*** Move to: is missing" : "this section has no hunk")
      sections.push({ kind: "update", path, hunks, ...(to !== undefined && { to }) })
      return end
    }
    default:
      throw syntax(at + 1, `expected *** Add File:, *** Update File:, *** Delete File: or *** End Patch, found ${JSON.stringify(lines[at]!.slice(0, 80))}`)
  }
}

/** Where a section ends: within one no line begins like this, each has its sign before it. */
function next(lines: readonly string[], from: number): number {
  const found = lines.findIndex((line, index) => index >= from && DIRECTIVE.test(line.trimEnd()) && !line.startsWith("*** End of File"))
  return found < 0 ? lines.length : found
}

function added(lines: readonly string[], from: number, end: number): string {
  const last = lines.slice(from, end).findLastIndex((line) => line !== "") + from + 1
  return lines.slice(from, last).map((line, index) => {
    if (line.startsWith("+")) return `${line.slice(1)}\n`
    throw syntax(from + index + 1, `each line of a new file begins with "+", found ${JSON.stringify(line.slice(0, 80))}`)
  }).join("")
}

function hunksOf(lines: readonly string[], from: number, end: number): Hunk[] {
  const hunks: Hunk[] = []
  let hunk: Hunk | undefined
  const open = (at: number): Hunk => {
    const opened: Hunk = { at, lines: [], above: [] }
    hunks.push(opened)
    return opened
  }
  // Empty lines at its end stand between sections rather than in a file.
  const last = lines.slice(from, end).findLastIndex((line) => line !== "") + from + 1
  for (let at = from; at < last; at++) {
    const line = lines[at]!
    const header = /^@@(?: (.*?))?(?: @@)?\s*$/.exec(line)
    if (header) {
      // Who writes both formats at once means the line.
      const numbers = /^-(\d+)(?:,\d+)? \+\d+(?:,\d+)?(?: @@.*)?$/.exec(header[1] ?? "")
      const above = numbers ? "" : (header[1] ?? "").trim()
      if (!hunk || hunk.lines.length > 0 || above === "") hunk = open(at + 1)
      if (above !== "") hunk.above.push(above)
      if (numbers) hunk.line = Number(numbers[1])
    } else if (line.trimEnd() === "*** End of File") {
      if (!hunk) throw syntax(at + 1, "*** End of File stands before a hunk")
      hunk.end = true
    } else (hunk ??= open(at + 1)).lines.push(lineOf(line, at))
  }
  const empty = hunks.find(({ lines: [first] }) => first === undefined)
  if (empty) throw syntax(empty.at, "this hunk has no lines")
  return hunks
}

/** A line without anything is an empty line that stays: its space was lost. */
function lineOf(line: string, at: number): HunkLine {
  const sign = line[0] ?? " "
  if (sign === " " || sign === "-" || sign === "+") return { sign, text: line.slice(1) }
  throw syntax(at + 1, `a line of a hunk begins with a space, "-" or "+", found ${JSON.stringify(line.slice(0, 80))}`)
}
