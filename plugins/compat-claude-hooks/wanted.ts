/**
 * Which hooks there are: those of the user's settings, and those of the project's once it is trusted. A file that
 * mentions none is not parsed. A broken one changes nothing, and says where it is broken.
 */
import { readFile, stat } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { messageOf, type Graft } from "graft"
import type { Hook } from "./contract.ts"
import type { Settings } from "./settings.ts"

export interface Place { path: string; ofProject: boolean }

const NONE: Settings = { hooks: [], problems: [], off: false }
/** Bytes of a settings file. */
const MOST = 1_048_576

export function placesOf(location: string): Place[] {
  const user = join(process.env.CLAUDE_CONFIG_DIR || join(process.env.HOME || homedir(), ".claude"), "settings.json")
  const own = ["settings.json", "settings.local.json"].map((name) => join(location, ".claude", name))
  return [{ path: user, ofProject: false }, ...own.filter((path) => path !== user).map((path) => ({ path, ofProject: true }))]
}

export class Wanted {
  readonly places: readonly Place[]
  readonly #graft: Graft
  readonly #good = new Map<string, Settings>()
  #said = new Set<string>()

  constructor(graft: Graft) {
    this.#graft = graft
    this.places = placesOf(graft.location!)
  }

  /** In the order of the files. What is wrong is said when it is new. */
  async look(): Promise<Hook[]> {
    const problems: string[] = []
    const read = await Promise.all(this.places.map(async (place) => ({ ...place, settings: await this.#read(place.path, problems) })))
    const hooks = await this.#allowed(read, problems)
    for (const problem of problems) if (!this.#said.has(problem)) this.#graft.log.warn(problem)
    this.#said = new Set(problems)
    return hooks
  }

  async #allowed(read: readonly (Place & { settings: Settings })[], problems: string[]): Promise<Hook[]> {
    if (read.every(({ settings }) => settings.hooks.length === 0 && settings.problems.length === 0)) return []
    if (await this.#isOff()) return []
    const trusted = read.some(({ ofProject, settings }) => ofProject && settings.hooks.length > 0) && (await this.#graft.trust.allowed(this.#graft.location!))
    if (read.some(({ ofProject, settings }) => settings.off && (!ofProject || trusted))) return []
    return read.flatMap(({ path, ofProject, settings }): Hook[] => {
      if (ofProject && !trusted && settings.hooks.length > 0) problems.push(`${shown(path)}: its ${settings.hooks.length === 1 ? "hook does" : `${settings.hooks.length} hooks do`} not run until this project is trusted (graft trust allow)`)
      else problems.push(...settings.problems)
      return ofProject && !trusted ? [] : [...settings.hooks]
    })
  }

  async #isOff(): Promise<boolean> {
    const compat = await this.#graft.config.get("compat", this.#graft.location)
    return compat === false || (typeof compat === "object" && compat !== null && (compat as { claude?: unknown }).claude === false)
  }

  async #read(path: string, problems: string[]): Promise<Settings> {
    const settings = await this.#parsed(path).catch((error: unknown) => `${shown(path)}: it cannot be read: ${messageOf(error)}`)
    if (typeof settings !== "string") {
      this.#good.set(path, settings)
      return settings
    }
    problems.push(`${settings}; its hooks stay as they were`)
    return this.#good.get(path) ?? NONE
  }

  /** Or why not, with file:line. */
  async #parsed(path: string): Promise<Settings | string> {
    const status = await stat(path).catch(() => undefined)
    if (!status) return NONE
    if (!status.isFile() || status.size > MOST) return `${shown(path)}: it is no file of at most ${MOST} bytes`
    const text = await readFile(path, "utf8")
    if (!/hooks/i.test(text)) return NONE
    const [{ isDocument, parseDocument }, { settingsIn }] = await Promise.all([import("../lib/jsonc.ts"), import("./settings.ts")])
    const document = await parseDocument(text)
    return isDocument(document) ? settingsIn(document, shown(path)) : `${shown(path)}:${document.line}: ${document.message}`
  }
}

const shown = (path: string): string => path.replace(`${process.env.HOME || homedir()}/`, "~/")
