/** `compat` of the config, and the sources that it switches. */
import * as v from "valibot"
import type { ConfigSection, ConfigSource } from "../config/contract.ts"
import { AGENTS, PLACES } from "./places.ts"

const Switches = v.strictObject(Object.fromEntries(AGENTS.map((agent) => [agent, v.optional(v.boolean())])))

export const section: ConfigSection = {
  id: "compat",
  schema: v.union([v.boolean(), Switches], `true, false, or an object of ${AGENTS.join(", ")}`),
  description: "Whether what other agents' files say counts, below your own of the same layer: false for none, or by agent. A project's file speaks of that project's files only. Default: all do.",
  live: "now",
  safe: true,
}

export const sources: ConfigSource[] = AGENTS.map((agent) => ({
  id: agent, from: agent, files: PLACES[agent],
  async read(text, place) {
    const reading = await (await import("./reading.ts")).readForeign(agent, text, place)
    return "message" in reading ? reading : { tree: reading.tree, line: (keys) => reading.place(keys) }
  },
}))
