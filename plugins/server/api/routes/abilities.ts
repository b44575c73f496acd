/** What works in a project: tools, agents, skills, commands, MCP servers. */
import * as v from "valibot"
import { Agent, Command, McpServer, Skill, Tool } from "../../../lib/wire/work.ts"
import type { Route } from "../../contract.ts"
import { define } from "../call.ts"
import { codes } from "../errors.ts"
import { Id, some, Text } from "./fields.ts"

export const abilities = (): Route[] => [
  define({
    id: "tools.list", method: "GET", path: "/tools", summary: "Tools that a model may call",
    output: v.array(Tool),
    handler: async (_, { project }) => (await project()).tool.list(),
  }),
  define({
    id: "agents.list", method: "GET", path: "/agents", summary: "Who can work",
    output: v.array(Agent),
    handler: async (_, { project }) => (await project()).agent.list(),
  }),
  define({
    id: "agents.get", method: "GET", path: "/agents/:name", summary: "One of them",
    input: v.strictObject({ name: Id }),
    output: Agent, errors: codes("agent.unknown"),
    handler: async ({ name }, { project }) => (await project()).agent.get(name),
  }),
  define({
    id: "skills.list", method: "GET", path: "/skills", summary: "What somebody wrote down how to do",
    output: v.array(Skill),
    handler: async (_, { project }) => (await project()).skill.list(),
  }),
  define({
    id: "commands.list", method: "GET", path: "/commands", summary: "Prompts that have a name",
    output: v.array(Command),
    handler: async (_, { project }) => (await project()).command.list(),
  }),
  define({
    id: "commands.expand", method: "POST", path: "/commands/expand", summary: "The prompt that `/name arguments` stands for; absent where the text is no command",
    input: v.strictObject({ text: Text, session: some(Id) }),
    output: v.object({ prompt: some(v.string()) }), errors: codes("command.denied", "command.failed"),
    handler: async ({ text, session }, { project, directory, signal }) => ({ prompt: await (await project()).command.expand(text, { directory, signal, ...(session !== undefined && { session }) }) }),
  }),
  define({
    id: "mcp.list", method: "GET", path: "/mcp", summary: "MCP servers, and how they are",
    input: v.strictObject({ settled: some(v.boolean(), "Waits until none is being connected.") }),
    output: v.array(McpServer), deadline: 120_000,
    handler: async (options, { project }) => (await project()).mcp.list(options),
  }),
  define({
    id: "mcp.restart", method: "POST", path: "/mcp/:name/restart", summary: "Ends one, and begins it anew",
    input: v.strictObject({ name: Id }),
    errors: codes("mcp.unknown"),
    handler: async ({ name }, { project }) => (await project()).mcp.restart(name),
  }),
  define({
    id: "mcp.logs", method: "GET", path: "/mcp/:name/logs", summary: "Its last lines",
    input: v.strictObject({ name: Id }),
    output: v.array(v.string()), errors: codes("mcp.unknown"),
    handler: async ({ name }, { project }) => (await project()).mcp.logs(name),
  }),
]
