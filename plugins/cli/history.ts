/** What was typed before: a private file in the data directory, bounded, an entry a line. */
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"

const MOST = 1_000
/** Characters of one entry. */
const LONGEST = 10_000

const encode = (entry: string): string => entry.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const decode = (line: string): string => line.replace(/\\(n|\\)/g, (_, escaped: string) => (escaped === "n" ? "\n" : "\\"))

/** Newest first. A file that has grown far past its bound is cut. */
export function loadHistory(file: string): string[] {
  try {
    const lines = readFileSync(file, "utf8").split("\n").filter(Boolean)
    if (lines.length > 2 * MOST) {
      const part = `${file}.${process.pid}`
      writeFileSync(part, `${lines.slice(-MOST).join("\n")}\n`, { mode: 0o600 })
      renameSync(part, file)
    }
    return lines.slice(-MOST).reverse().map(decode)
  } catch {
    return []
  }
}

/** Losing a line of history is not worth a word. */
export function remember(file: string, entry: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    appendFileSync(file, `${encode(entry.slice(0, LONGEST))}\n`, { mode: 0o600 })
  } catch { /* a read-only home */ }
}
