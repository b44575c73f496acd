/** MCP: the tools, prompts and resources of servers that speak the Model Context Protocol, beside everything else. */
import { definePlugin } from "graft"
import { makeBeginning } from "./beginning.ts"
import { Options, section, type McpOptions } from "./section.ts"
import type { McpState } from "./servers.ts"

export default definePlugin<McpState, McpOptions>({
  per: "location",
  options: Options,
  state: { version: 1, init: () => ({ begun: false, told: {}, problems: [], found: [] }) },
  async setup(graft) {
    const { takeOver, begin, look, loggedIn, instruct, service } = makeBeginning(graft)
    graft.provide("mcp", service)
    graft.add("configSection", section)
    const faces = graft.all("face")
    const somebody = () => ([...faces].some(({ answers }) => answers) ? begin() : undefined)
    faces.onChange(somebody)
    graft.fork(async () => somebody())
    graft.on("llm.requested", begin)
    graft.on("config.changed", ({ paths }) => (paths.some((path) => path === "offline" || path.split(".")[0] === "mcp") ? look() : undefined))
    for (const event of ["auth.added", "auth.updated"] as const) graft.on(event, ({ provider }) => loggedIn(provider))
    // After the agents have said what may be used.
    graft.on("turn.request", instruct, { order: 10 })
    await takeOver()
  },
})
