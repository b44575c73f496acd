/** Unified diffs, as `diff -u` and `git diff` write them, and as models do, who count badly. Pure. */
import { PatchError, syntax, type Hunk, type HunkLine, type Section } from "./section.ts"

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/
const NOWHERE = "/dev/null"

/** What stands above a file's hunks. */
interface Header { at: number; git?: string; from?: string; to?: string; renamed?: { from?: string; to?: string }; mode?: number; gone?: boolean }

export function parseUnified(lines: readonly string[]): Section[] {
  const sections: Section[] = []
  for (let at = start(lines, 0); at < lines.length; ) {
    const { header, end } = headerAt(lines, at)
    const { hunks, end: next } = hunksAt(lines, end)
    sections.push(sectionOf(header, hunks))
    at = next
  }
  if (sections.length === 0) throw new PatchError("patch.syntax", "there is no patch in this: it begins with *** Begin Patch, or with the --- and +++ lines of a unified diff")
  return sections
}

const begins = (lines: readonly string[], at: number): boolean => lines[at]!.startsWith("diff --git ") || (lines[at]!.startsWith("--- ") && (lines[at + 1] ?? "").startsWith("+++ "))

function start(lines: readonly string[], from: number): number {
  const found = lines.findIndex((_, index) => index >= from && begins(lines, index))
  return found < 0 ? lines.length : found
}

function headerAt(lines: readonly string[], at: number): { header: Header; end: number } {
  const header: Header = { at: at + 1 }
  let index = at
  for (; index < lines.length; index++) {
    const line = lines[index]!
    const [, word, rest = ""] = /^(---|\+\+\+|rename from|rename to|new file mode|deleted file mode|old mode|new mode|copy from|GIT binary patch|Binary files|diff --git|index|similarity index|dissimilarity index)(?: (.*))?$/.exec(line) ?? []
    if (word === undefined || (index > at && word === "diff --git") || (word === "---" && isAnother(header, pathOf(rest)))) break
    if (word === "---") header.from = pathOf(rest)
    else if (word === "+++") header.to = pathOf(rest)
    else if (word === "rename from" || word === "rename to") header.renamed = { ...header.renamed, [word.slice(7)]: pathOf(rest) }
    else if (word === "new file mode") header.mode = modeOf(rest, index)
    else if (word === "deleted file mode") Object.assign(header, { gone: true, mode: modeOf(rest, index) })
    else if (word === "old mode" || word === "new mode") throw syntax(index + 1, "only the mode of a new file can be told; use bash with chmod")
    else if (word === "copy from" || word === "GIT binary patch" || word === "Binary files") throw syntax(index + 1, `"${word}" is not taken here: only text is patched`)
    else if (word === "diff --git") header.git = nameOf(rest)
  }
  return { header, end: index }
}

/** After a file that only moves, another one may begin with its names. */
const isAnother = ({ from, renamed }: Header, name: string): boolean => from !== undefined || (renamed?.to !== undefined && name !== renamed.from && name !== `a/${renamed.from}`)

/** The name in `a/name b/name`; where they differ, other lines tell them. */
function nameOf(rest: string): string | undefined {
  const name = rest.slice(2, Math.floor(rest.length / 2))
  return rest === `a/${name} b/${name}` ? name : undefined
}

/** A name may be quoted as in C, and be followed by a tab and a time. */
function pathOf(text: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(text)
  if (!quoted) return text.split("\t")[0]!.trimEnd()
  const bytes = quoted[1]!.replace(/\\([0-7]{3}|.)/g, (_, escaped: string) => (escaped.length === 3 ? String.fromCharCode(Number.parseInt(escaped, 8)) : (({ n: "\n", t: "\t", r: "\r" }) as Record<string, string>)[escaped] ?? escaped))
  return /[^\0-\xff]/.test(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8")
}

function modeOf(text: string, index: number): number {
  if (text === "100755") return 0o777
  if (text === "100644") return 0o666
  throw syntax(index + 1, `a file of mode ${text} is not made here`)
}

function sectionOf({ at, git, from, to, renamed, mode, gone }: Header, hunks: Hunk[]): Section {
  // Of an empty file there is nothing but its name.
  if (from === undefined && git !== undefined && mode !== undefined && hunks.length === 0) return gone ? { kind: "delete", path: git } : { kind: "add", path: git, content: "", mode }
  if (from === undefined && to === undefined && renamed?.from !== undefined && renamed.to !== undefined) return { kind: "update", path: renamed.from, to: renamed.to, hunks }
  if (from === undefined || to === undefined) throw syntax(at, "the --- and +++ lines with the file's name are missing")
  if (hunks.length === 0 && !renamed) throw syntax(at, "this file has no hunk")
  const [old, fresh] = stripped(from, to)
  if (old === NOWHERE) return { kind: "add", path: fresh, content: contentOf(hunks), ...(mode !== undefined && { mode }) }
  if (fresh === NOWHERE || gone) return { kind: "delete", path: old, hunks }
  const target = renamed?.to ?? fresh
  const path = renamed?.from ?? old
  return { kind: "update", path, hunks, ...(target !== path && { to: target }) }
}

/** git's `a/` and `b/` are no directories; the same name on both sides is a name. */
function stripped(from: string, to: string): [string, string] {
  const isGit = (from === NOWHERE || from.startsWith("a/")) && (to === NOWHERE || to.startsWith("b/"))
  return isGit ? [from.replace(/^a\//, ""), to.replace(/^b\//, "")] : [from, to]
}

function contentOf(hunks: readonly Hunk[]): string {
  const all = hunks.flatMap(({ lines }) => lines)
  const other = all.find(({ sign }) => sign !== "+")
  if (other) throw syntax(hunks[0]!.at, "each line of a new file begins with +")
  const text = all.map((line) => `${line.text}\n`).join("")
  return hunks.at(-1)?.newline === false ? text.slice(0, -1) : text
}

function hunksAt(lines: readonly string[], from: number): { hunks: Hunk[]; end: number } {
  const hunks: Hunk[] = []
  let at = from
  while (at < lines.length && !begins(lines, at)) {
    const header = HUNK.exec(lines[at]!)
    if (header) {
      const { hunk, end } = hunkAt(lines, at, header)
      hunks.push(hunk)
      at = end
    } else if (lines[at]!.trim() === "" || lines[at] === "-- ") at = lines[at] === "-- " ? start(lines, at) : at + 1
    else throw syntax(at + 1, `expected a hunk (@@ -1,2 +1,3 @@) or the next file, found ${JSON.stringify(lines[at]!.slice(0, 80))}`)
  }
  return { hunks, end: at }
}

/** As many lines as its header says; where that is wrong, all that look like lines of a hunk. */
function hunkAt(lines: readonly string[], at: number, [, line, before = "1", , after = "1"]: RegExpExecArray): { hunk: Hunk; end: number } {
  const hunk: Hunk = { at: at + 1, lines: [], above: [], line: Number(line) }
  let [old, fresh] = [Number(before), Number(after)]
  let index = at + 1
  let bare = 0
  for (; index < lines.length; index++) {
    const text = lines[index]!
    const full = old <= 0 && fresh <= 0
    if (text.startsWith("\\")) {
      ended(hunk)
      continue
    }
    if (full && (text === "-- " || begins(lines, index))) break
    // Too large a count: what looks like the next file's names, with a hunk below, is that.
    if (begins(lines, index) && !(old === 1 && fresh === 1) && HUNK.test(lines[index + 2] ?? "")) break
    const read = lineOf(text)
    if (!read) break
    bare = text === "" ? bare + 1 : 0
    hunk.lines.push(read)
    if (read.sign !== "+") old--
    if (read.sign !== "-") fresh--
  }
  // Beyond the count, empty lines stand between what follows.
  if (old < 0 || fresh < 0) hunk.lines.length -= Math.min(bare, Math.max(-old, -fresh))
  if (hunk.lines.length === 0) throw syntax(at + 1, "this hunk has no lines")
  return { hunk, end: index }
}

/** "No newline at end of file" is about the line above. */
function ended(hunk: Hunk): void {
  const sign = hunk.lines.at(-1)?.sign
  if (sign === "-") hunk.newline ??= true
  else hunk.newline = false
  hunk.end = true
}

/** A line without anything is an empty line that stays: its space was lost. */
function lineOf(text: string): HunkLine | undefined {
  const sign = text[0] ?? " "
  return sign === " " || sign === "-" || sign === "+" ? { sign, text: text.slice(1) } : undefined
}
