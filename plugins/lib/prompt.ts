/** What the house's own agents are told: `config/agents/<name>.md`, or the user's own file of that name in their config directory. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const SHIPPED = fileURLToPath(new URL("../../config/agents", import.meta.url))
/** What stands before the text. */
const FRONT = /^---[ \t]*\r?\n[\s\S]*?\n---[ \t]*(?:\r?\n|$)/

/** Read anew each time, so that a saved file counts at once. A file that cannot be read, or is empty, is passed over. */
export function promptNamed(name: string, configDirectory: string): string {
  for (const folder of [join(configDirectory, "agents"), SHIPPED]) {
    const text = read(join(folder, `${name}.md`))
    if (text) return text
  }
  return ""
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").replace(FRONT, "").trim()
  } catch {
    return undefined
  }
}
