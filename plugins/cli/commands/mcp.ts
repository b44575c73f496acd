/** `graft mcp`: how this project's MCP servers are, in the instance that runs here; where none does, they are started for the look. */
import { locationOf, type Graft } from "graft"
import type { Mcp, McpServer } from "../../mcp/contract.ts"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Style, Terminal, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { Remote } from "../remote.ts"
import { login } from "./auth-login.ts"
import { ago, harmless, oneLine, table } from "../table.ts"

const OPTIONS = {
  json: { type: "boolean", about: "list: one JSON object a line" },
  "no-browser": { type: "boolean", about: "login: open none; the address is printed, and what it ends at is pasted" },
} as const satisfies Options
const NOTES = `verbs:
  list             the servers, and how they are
  logs <name>      what one wrote to stderr, and what became of it
  restart <name>   ends one, and starts it anew
  login <name>     logs in to one at an address, in a browser; graft auth logout ends that

Servers are configured under "mcp", or stand in .mcp.json of a project that is trusted: see graft docs mcp.`
const STYLES: Record<McpServer["state"], Style> = { ready: "green", connecting: "yellow", failed: "red", disabled: "dim" }

export const mcp = (graft: Graft): Work => ({
  usage: usageOf("graft mcp list|logs|restart|login [name] [options]", OPTIONS, NOTES),
  async run(argv, terminal) {
    const { values, positionals: [word = "list", name] } = parse(argv, OPTIONS)
    const verb = choose(word, ["list", "logs", "restart", "login"], "verb")
    if (verb !== "list" && name === undefined) throw new UsageError(`say which server: graft mcp ${verb} <name> (graft mcp list shows them)`)
    const location = locationOf(terminal.directory)
    if (verb === "login") return await logIn(graft, location, name!, values["no-browser"] ?? false, terminal)
    const instance = (await graft.server.instances()).find((each) => each.pid !== process.pid && each.location === location)
    if (instance) {
      using remote = new Remote(instance)
      const ask = <T>(method: keyof Mcp, ...args: unknown[]) => remote.call<T>({ service: "mcp", method, args, location })
      return await answer({ list: () => ask("list"), logs: (of) => ask("logs", of), restart: (of) => ask("restart", of) }, verb, name, values.json ?? false, terminal)
    }
    if (verb === "restart") {
      terminal.err("no instance runs in this project, so none of its servers does: they are started anew with the next conversation\n")
      return EXIT.failed
    }
    using project = await graft.at(location)
    await project.mcp.list({ settled: true })
    return await answer(project.mcp, verb, name, values.json ?? false, terminal)
  },
})

/** Here, whoever else runs: an instance hears of the login, and connects. */
async function logIn(graft: Graft, location: string, name: string, without: boolean, terminal: Terminal): Promise<number> {
  using project = await graft.at(location)
  await project.mcp.list({ settled: true })
  const { provider } = await project.mcp.login(name)
  return await login(project, terminal, provider, { method: "browser", "no-browser": without })
}

async function answer(mcp: Pick<Mcp, "list" | "logs" | "restart">, verb: "list" | "logs" | "restart", name: string | undefined, json: boolean, terminal: Terminal): Promise<number> {
  switch (verb) {
    case "list": return list(await mcp.list(), json, terminal)
    case "logs": return terminal.out((await mcp.logs(name!)).map((line) => `${terminal.interactive ? harmless(line) : line}\n`).join("")), EXIT.done
    case "restart": return await mcp.restart(name!), terminal.err(`${name} is started anew\n`), EXIT.done
    default: return verb satisfies never
  }
}

function list(servers: readonly McpServer[], json: boolean, terminal: Terminal): number {
  if (json) for (const server of servers) terminal.out(`${JSON.stringify(server)}\n`)
  else terminal.out(table(servers.map(({ name, kind, state, reason, tools, since }) => [name, terminal.paint(STYLES[state], state), kind, `${tools.length} tools`, ago(since), oneLine(reason ?? "", 200)])))
  if (servers.length === 0) terminal.err('no MCP server is configured here: graft docs mcp tells how\n')
  return EXIT.done
}
