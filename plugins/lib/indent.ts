/** The same lines deeper or less deep: by what their indentation differs, and the lines moved by it. Pure. */

export type Shift = { add: string } | { remove: string }

const indentOf = (line: string): string => /^[ \t]*/.exec(line)![0]

/** `undefined`: they differ by more, or not at all. */
export function shiftBetween(piece: string, line: string): Shift | undefined {
  const [from, to] = [indentOf(piece), indentOf(line)]
  if (from === to || piece.slice(from.length) !== line.slice(to.length)) return undefined
  if (to.endsWith(from)) return { add: to.slice(0, to.length - from.length) }
  if (from.endsWith(to)) return { remove: from.slice(0, from.length - to.length) }
  return undefined
}

/** `undefined`: the line lacks the indentation that should be taken away. */
export function shifted(line: string, shift: Shift): string | undefined {
  if (line.trim() === "") return ""
  if ("add" in shift) return shift.add + line
  return line.startsWith(shift.remove) ? line.slice(shift.remove.length) : undefined
}
