/** What was typed before: a private file in the data directory, bounded. */
import { appendFileSync, chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"

const MOST = 1_000

/** Newest first, as readline wants it. A file that has grown far past its bound is cut. */
export function loadHistory(file: string): string[] {
  let lines: string[]
  try {
    lines = readFileSync(file, "utf8").split("\n").filter(Boolean)
  } catch {
    return []
  }
  if (lines.length > 2 * MOST) {
    const part = `${file}.${process.pid}`
    writeFileSync(part, `${lines.slice(-MOST).join("\n")}\n`, { mode: 0o600 })
    renameSync(part, file)
  }
  return lines.slice(-MOST).reverse()
}

/** Losing a line of history is not worth a word. */
export function remember(file: string, line: string): void {
  if (line.trim().length < 2) return
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    appendFileSync(file, `${line.slice(0, 10_000)}\n`, { mode: 0o600 })
    chmodSync(file, 0o600)
  } catch { /* a read-only home */ }
}
