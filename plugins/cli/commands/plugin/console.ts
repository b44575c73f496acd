/** What a plugin prints with `console` is for its author: in `graft plugin dev` it is shown as its own, and never in the middle of something else. */
import { formatWithOptions } from "node:util"

const LEVELS = ["log", "info", "warn", "error", "debug"] as const
type Level = (typeof LEVELS)[number]

/** Lines that come from files below this directory; the rest goes where it went. Gives what ends it. */
export function hearConsole(directory: string, hear: (level: Level, text: string) => void): () => void {
  const before = LEVELS.map((level) => [level, console[level]] as const)
  for (const [level, write] of before) {
    console[level] = (...parts: unknown[]) => {
      const { stack = "" } = new Error("console")
      if (stack.includes(directory)) hear(level, formatWithOptions({ colors: false, depth: 4 }, ...parts))
      else write.apply(console, parts)
    }
  }
  return () => { for (const [level, write] of before) console[level] = write }
}
