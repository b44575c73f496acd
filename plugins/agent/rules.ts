/** What an agent means to a turn and to a call. A subagent may use what it may itself and what all those above it may. */
import type { Graft } from "graft"
import { near } from "../lib/near.ts"
import type { ToolSpec } from "../llm/contract.ts"
import type { Session } from "../session/contract.ts"
import { mayUse } from "./agent.ts"
import type { Agent } from "./contract.ts"

/** Those that do the house's own work: nobody chooses them. */
export const HOUSE: readonly string[] = ["title", "compaction"]
/** Sessions above a session that are looked at; there are never so many. */
const DEEPEST = 16

/** `agent.unknown`. */
export class AgentError extends Error {
  readonly code = "agent.unknown"
}

export class Rules {
  readonly #graft: Pick<Graft, "session">
  readonly #list: () => Promise<readonly Agent[]>

  constructor(graft: Pick<Graft, "session">, list: () => Promise<readonly Agent[]>) {
    this.#graft = graft
    this.#list = list
  }

  async get(name: string): Promise<Agent> {
    const agents = await this.#list()
    const agent = agents.find((each) => each.name === name)
    if (agent) return agent
    const names = agents.flatMap((each) => (HOUSE.includes(each.name) ? [] : each.name))
    const [best] = near(name, names)
    throw new AgentError(`there is no agent "${name}"${best ? `; did you mean "${best}"?` : `; there are ${names.join(", ")}`}`)
  }

  /** Its words follow the house's prompt, and what it may not use is not offered. */
  async shape(request: { session?: string; system: string[]; tools: ToolSpec[] }): Promise<void> {
    if (request.session === undefined) return
    const [own, ...above] = await this.#of(request.session)
    if (own?.prompt) request.system.splice(1, 0, own.prompt)
    const agents = [own, ...above].filter((agent) => agent !== undefined)
    if (agents.length > 0) request.tools = request.tools.filter(({ name }) => agents.every((agent) => mayUse(agent, name)))
  }

  /** What was not offered may be called all the same. */
  async judge(call: { session: string; name: string; verdict?: unknown }): Promise<void> {
    const against = (await this.#of(call.session)).find((agent) => agent !== undefined && !mayUse(agent, call.name))
    if (against) call.verdict = { deny: `the agent "${against.name}" may not use ${call.name}` }
  }

  /** The agent of a session, then those of the sessions above it. One whose file is gone may use nothing. */
  async #of(session: string): Promise<(Agent | undefined)[]> {
    const agents: (Agent | undefined)[] = []
    let at: Session | undefined = await this.#graft.session.get(session)
    for (let depth = 0; at !== undefined && depth < DEEPEST; depth++) {
      const { agent, parent } = at
      agents.push(agent === undefined ? undefined : await this.get(agent).catch(() => none(agent)))
      at = parent === undefined ? undefined : await this.#graft.session.get(parent)
    }
    return agents
  }
}

const none = (name: string): Agent => ({ name, description: "", prompt: "", tools: ["!*"], mode: "all", file: "", scope: "user" })
