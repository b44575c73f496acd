/**
 * The system texts of a turn: the house's prompt (a user's own takes its place), the facts that never change in a
 * session, and the instructions of the project. Nothing in here changes from turn to turn, so the provider's cache holds;
 * what does change, the date, is a message.
 */
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const BUILT_IN = fileURLToPath(new URL("../../config/prompts/system.md", import.meta.url))

interface Cached { stamp: string; text: string }
const cache = new Map<string, Cached>()

export function systemTexts(configDirectory: string, directory: string, location: string, instructions: readonly string[]): string[] {
  return [housePrompt([join(configDirectory, "prompts", "system.md"), BUILT_IN]), environment(directory, location), ...instructions]
}

/** The first of the files that is there, read again only when it changed. */
function housePrompt(files: readonly string[]): string {
  for (const file of files) {
    const stat = statSync(file, { throwIfNoEntry: false })
    if (!stat?.isFile()) continue
    const stamp = `${stat.mtimeMs} ${stat.size} ${stat.ino}`
    const known = cache.get(file)
    if (known?.stamp === stamp) return known.text
    const text = readFileSync(file, "utf8").trim()
    cache.set(file, { stamp, text })
    return text
  }
  return "You are a coding agent. Use your tools to do what the user asks."
}

const environment = (directory: string, location: string): string =>
  [`Working directory: ${directory}`, ...(location === directory ? [] : [`Project: ${location}`]), `Platform: ${process.platform} ${process.arch}`].join("\n")

/** Asked of the locale data, a name costs a start 15 ms. */
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

/** The message that tells the day, and the day of one that did. */
export const dayNote = (now: Date): string => `Today is ${isoDay(now)} (${WEEKDAYS[now.getDay()]}).`
export const dayOf = (text: string): string | undefined => /^Today is (\d{4}-\d{2}-\d{2}) /.exec(text)?.[1]
export const isoDay = (now: Date): string => `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, "0")}-${String(now.getDate()).padStart(2, "0")}`
