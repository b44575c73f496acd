/** Agents: who works, in words of its own and with tools of its own; files of the house, of the user and of the project, and the config. */
import { fileURLToPath } from "node:url"
import { definePlugin } from "graft"
import { paths } from "../lib/paths.ts"
import { makeShelf, noneTold, rootsFor, type Told } from "../lib/shelf.ts"
import { agentIn, factOf } from "./agent.ts"
import type { Agent } from "./contract.ts"
import { HOUSE, Rules } from "./rules.ts"
import { configured, section } from "./section.ts"

const BUILT_IN = fileURLToPath(new URL("../../config/agents", import.meta.url))

export default definePlugin<Told>({
  per: "location",
  state: { version: 1, init: noneTold },
  setup(graft) {
    const shelf = makeShelf<Agent>(graft, {
      nouns: "agents",
      roots: [{ directory: BUILT_IN, scope: "built-in", layout: "files" }, ...rootsFor(paths(graft.kernel.host.dataDir).config, graft.location!, "agents", "files")],
      make: agentIn,
      besides: (made, problems) => configured(graft, made, problems),
      tell: (what, agent) => graft.emit(what === "added" ? "agent.added" : "agent.updated", { agent: factOf(agent) }),
      gone: (name) => graft.emit("agent.removed", { name }),
    })
    const rules = new Rules(graft, () => shelf.list())
    graft.provide("agent", { list: async () => (await shelf.list()).filter(({ name }) => !HOUSE.includes(name)), get: (name) => rules.get(name) })
    graft.add("configSection", section)
    graft.on("turn.request", (request) => rules.shape(request))
    graft.on("tool.before", (call) => rules.judge(call))
    // Nobody needs them to come up.
    graft.fork(async () => void (await shelf.list()))
  },
})
