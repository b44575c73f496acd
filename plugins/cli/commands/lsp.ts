/** `graft lsp`: how the language servers of this project are, in the instance that runs here. */
import { locationOf, type Graft } from "graft"
import type { Lsp, LspState } from "../../lsp/contract.ts"
import { choose, parse, UsageError, usageOf, type Options } from "../arguments.ts"
import type { Style, Work } from "../contract.ts"
import { EXIT } from "../dispatch.ts"
import { Remote } from "../remote.ts"
import { ago, harmless, oneLine, table } from "../table.ts"

const OPTIONS = { json: { type: "boolean", about: "list: one JSON object a line" } } as const satisfies Options
const NOTES = `verbs:
  list             those that were started, and how they are
  logs <name>      what one wrote to stderr, and what became of it
  restart <name>   ends all of this name; they are started anew when they are needed

"lsp": true in the config asks for them: see graft docs lsp. They run where somebody works, so an instance has to.`
const STYLES: Record<LspState, Style> = { running: "green", starting: "yellow", failed: "red", stopped: "dim" }

export const lsp = (graft: Graft): Work => ({
  usage: usageOf("graft lsp list|logs|restart [name] [options]", OPTIONS, NOTES),
  async run(argv, terminal) {
    const { values, positionals: [word = "list", name] } = parse(argv, OPTIONS)
    const verb = choose(word, ["list", "logs", "restart"], "verb")
    if (verb !== "list" && name === undefined) throw new UsageError(`say which server: graft lsp ${verb} <name> (graft lsp list shows them)`)
    const location = locationOf(terminal.directory)
    const instance = (await graft.server.instances()).find((each) => each.pid !== process.pid && each.location === location)
    if (!instance) {
      terminal.err("no instance runs in this project, so none of its language servers does\n")
      return verb === "list" ? EXIT.done : EXIT.failed
    }
    using remote = new Remote(instance)
    const ask = <M extends "list" | "logs" | "restart">(method: M, ...args: Parameters<Lsp[M]>) => remote.call<Awaited<ReturnType<Lsp[M]>>>({ service: "lsp", method, args, location })
    switch (verb) {
      case "list": {
        const servers = await ask("list")
        if (values.json) for (const server of servers) terminal.out(`${JSON.stringify(server)}\n`)
        else terminal.out(table(servers.map(({ name: each, root, state, reason, since, files }) => [each, terminal.paint(STYLES[state], state), root, `${files} files`, ago(since), oneLine(reason ?? "", 200)])))
        return EXIT.done
      }
      case "logs": return terminal.out((await ask("logs", name!)).map((line) => `${terminal.interactive ? harmless(line) : line}\n`).join("")), EXIT.done
      case "restart": return await ask("restart", name!), terminal.err(`${name} is started anew when it is needed\n`), EXIT.done
      default: return verb satisfies never
    }
  },
})
