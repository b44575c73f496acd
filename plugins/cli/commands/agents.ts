/** `graft agents`: who can work in this project, with which tools, and which file says so. */
import { homedir } from "node:os"
import { locationOf, type Graft } from "graft"
import { parse, usageOf, type Options } from "../arguments.ts"
import type { Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { oneLine, table } from "../table.ts"

const OPTIONS = { json: { type: "boolean", about: "one JSON object a line" } } as const satisfies Options

export const agents = (graft: Graft): Work => ({
  usage: usageOf("graft agents [options]", OPTIONS, "An agent is a Markdown file: see graft docs agent. graft run --agent <name>, or /agent in a conversation, chooses one."),
  async run(argv, terminal) {
    const { values } = parse(argv, OPTIONS)
    using project = await graft.at(locationOf(terminal.directory))
    const all = await project.agent.list()
    if (values.json) for (const agent of all) terminal.out(`${JSON.stringify(agent)}\n`)
    else terminal.out(table([["NAME", "WHAT", "TOOLS", "FILE"], ...all.map(({ name, mode, description, tools, file }) => [mode === "subagent" ? `${name} (subagent)` : name, oneLine(description, 60), oneLine(tools.join(", ") || "all", 40), file.replace(homedir(), "~")])]))
    return EXIT.done
  },
})
