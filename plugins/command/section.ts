/** `commands` in the config: commands by name, beside those in files; of one name the file counts. */
import { messageOf, type Graft } from "graft"
import * as v from "valibot"
import type { ConfigSection } from "../config/contract.ts"
import { commandOf } from "./command.ts"
import type { Command } from "./contract.ts"

const Settings = v.strictObject({ template: v.pipe(v.string(), v.regex(/\S/, "it says nothing")), description: v.optional(v.string()), hint: v.optional(v.string()) })
const Blocks = v.record(v.string(), v.unknown())

/** What a project's Markdown files may say its config may: a shell line in it is asked about all the same. */
export const section: ConfigSection = {
  id: "commands",
  schema: v.record(v.string(), Settings),
  description: 'Commands by name: { "review": { "template": "Review $ARGUMENTS", "description": "…", "hint": "[branch]" } }; a file of the same name comes before it.',
  live: "now",
  safe: true,
}

/** Adds those of the config. What is wrong with one leaves the others. */
export async function configured({ config, location }: Pick<Graft, "config" | "location">, made: Map<string, Command>, problems: string[]): Promise<void> {
  const blocks = v.safeParse(Blocks, await config.get("commands", location).catch(() => undefined))
  if (!blocks.success) return
  for (const [name, block] of Object.entries(blocks.output)) {
    // What the config's own check refuses has been said there.
    const parsed = v.safeParse(Settings, block)
    if (!parsed.success || made.has(name)) continue
    const { template, description, hint } = parsed.output
    try {
      const { file = "" } = (await config.explain(`commands.${name.replaceAll(".", "\\.")}`, location)).winner ?? {}
      made.set(name, commandOf({ name, file, scope: "user", front: { ...(description !== undefined && { description }), ...(hint !== undefined && { "argument-hint": hint }) }, body: template.trim() }))
    } catch (error) {
      problems.push(`commands.${name} in the config: ${messageOf(error)}`)
    }
  }
}
