/** `agents` in the config: agents by name, or what is to be otherwise with one that a file describes. */
import { messageOf, type Graft } from "graft"
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"
import { agentOf } from "./agent.ts"
import type { Agent } from "./contract.ts"

const Settings = v.strictObject({
  enabled: v.optional(v.boolean()),
  description: v.optional(v.string()),
  prompt: v.optional(v.string()),
  model: v.optional(v.string()),
  tools: v.optional(v.union([v.array(v.string()), v.record(v.string(), v.boolean())])),
  turns: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000))),
  mode: v.optional(v.picklist(["primary", "subagent", "all"])),
})
const Blocks = v.record(v.string(), v.unknown())

/** What a project's Markdown files may say its config may. */
export const section: ConfigSection = {
  id: "agents",
  schema: v.record(v.string(), Settings),
  description: 'Agents by name: { "reviewer": { "description", "prompt", "model": "provider/id", "tools": ["read", "!bash"], "turns", "mode": "primary" | "subagent" | "all" } }; of one that a file describes, only what is said here is otherwise. "enabled": false takes one away.',
  live: "next-turn",
  safe: true,
}

/** Lays the config over what the files say. What is wrong with one agent leaves the others. */
export async function configured({ config, location }: Pick<Graft, "config" | "location">, made: Map<string, Agent>, problems: string[]): Promise<void> {
  const blocks = v.safeParse(Blocks, await config.get("agents", location))
  if (!blocks.success) return
  for (const [name, block] of Object.entries(blocks.output)) {
    // What the config's own check refuses has been said there.
    const parsed = v.safeParse(Settings, block)
    if (!parsed.success) continue
    const { enabled, prompt, ...front } = parsed.output
    const known = made.get(name)
    made.delete(name)
    if (enabled === false) continue
    try {
      const { file = "" } = (await config.explain(`agents.${name.replaceAll(".", "\\.")}`, location)).winner ?? {}
      const { description, model, tools, turns, mode } = known ?? {}
      const before = Object.fromEntries(Object.entries({ description, model, tools, turns, mode }).filter(([, value]) => value !== undefined))
      made.set(name, agentOf({ name, file: known?.file || file, scope: known?.scope ?? "user", front: { ...before, ...front }, body: prompt === undefined ? (known?.prompt ?? "") : (await config.expand(prompt, location)).trim() }))
    } catch (error) {
      problems.push(`agents.${name} in the config: ${messageOf(error)}`)
    }
  }
}
