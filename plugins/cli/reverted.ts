/** What was done to files when a conversation was taken back, or brought back, in words. */
import { oneLine } from "./table.ts"

/** Files that are named. */
const MOST = 20

export function toldOf(what: string, files: readonly string[], kept: readonly string[], unable?: string): string {
  return [
    ...(files.length > 0 ? [`${what}: ${files.length} file${files.length === 1 ? "" : "s"}\n${listed(files)}`] : []),
    ...(kept.length > 0 ? [`left as they are, because somebody else changed them, or what they held is not known:\n${listed(kept)}`] : []),
    ...(unable === undefined ? [] : [`files are left as they are: ${unable}\n`]),
  ].join("")
}

export const listed = (files: readonly string[]): string => `${files.slice(0, MOST).map((file) => `  ${oneLine(file, 200)}\n`).join("")}${files.length > MOST ? `  and ${files.length - MOST} more\n` : ""}`
