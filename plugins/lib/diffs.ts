/** A change as people read it: a unified diff, bounded. The library is imported at first use. */

const MAX_TEXT = 512 * 1024
const MAX_LINES = 200
const MAX_LINE = 500
/** Milliseconds: nothing else happens meanwhile. */
const TIMEOUT = 250

export async function unifiedDiff(path: string, before: string, after: string): Promise<string> {
  if (before.length + after.length > MAX_TEXT) return `${path}: ${before.length} characters become ${after.length} (too long for a diff)`
  const { createTwoFilesPatch } = await import("diff")
  const patch = createTwoFilesPatch(path, path, before, after, undefined, undefined, { context: 3, timeout: TIMEOUT }) as string | undefined
  if (patch === undefined) return `${path}: ${before.length} characters become ${after.length} (too different for a diff)`
  const lines = patch.trimEnd().split("\n").slice(2).map((line) => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line))
  return lines.length <= MAX_LINES ? lines.join("\n") : `${lines.slice(0, MAX_LINES).join("\n")}\n… ${lines.length - MAX_LINES} more lines of the diff`
}
