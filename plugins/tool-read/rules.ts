/**
 * What people wrote for agents below the session's directory: an AGENTS.md nearer to a file is told with the first read
 * there, once a session, and again when its text has changed or the conversation was folded. The plugin `instruction`
 * finds them; where it is not, there are none.
 */
import type { Graft } from "graft"
import { inside } from "../lib/confine.ts"
import { versionOf } from "../lib/text.ts"
import type { ToolContext, ToolResult } from "../tool/contract.ts"

/** What each session was told, as hashes, the latest session last. */
export interface RulesState { told: Record<string, string[]> }

const MOST_SESSIONS = 200
/** Characters of all that one read tells. */
const MOST = 32 * 1024

export class Rules {
  readonly #graft: Graft<RulesState>

  constructor(graft: Graft<RulesState>) { this.#graft = graft }

  /** The result, with the instructions for its directory that this session was not yet told. */
  async beside({ session, directory, location }: ToolContext, at: string, result: Exclude<ToolResult, string>): Promise<ToolResult> {
    if (result.failed || at === directory || !inside(location, at)) return result
    const fresh = await this.#fresh(session, directory, at).catch(() => [])
    if (fresh.length === 0) return result
    const text = fresh.join("\n\n")
    return { ...result, output: `${result.output}\n\n<instructions>\n${text.length > MOST ? `${text.slice(0, MOST)}…` : text}\n</instructions>` }
  }

  forget(session: string): void { this.#graft.state.update((draft) => { delete draft.told[session] }) }

  async #fresh(session: string, directory: string, at: string): Promise<string[]> {
    const [known, here] = await Promise.all([this.#graft.instruction.system(directory), this.#graft.instruction.system(at)])
    const told = new Set(this.#graft.state.value.told[session])
    const fresh = here.filter((text) => !known.includes(text) && !told.has(versionOf(Buffer.from(text))))
    if (fresh.length === 0) return []
    this.#graft.state.update((draft) => {
      const all = [...(draft.told[session] ?? []), ...fresh.map((text) => versionOf(Buffer.from(text)))]
      delete draft.told[session]
      draft.told[session] = all
      for (const oldest of Object.keys(draft.told).slice(0, -MOST_SESSIONS)) delete draft.told[oldest]
    })
    return fresh
  }
}
