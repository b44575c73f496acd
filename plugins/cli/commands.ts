/** The commands, by name. Each is loaded when it is called: a run loads no conversation, and a conversation no tour. */
import type { Graft } from "graft"
import type { Away } from "./chat/conversation.ts"
import type { Subcommand, Work } from "./contract.ts"
import type { Screen } from "./screen.ts"

export const commands = (graft: Graft<Away>, screen: Screen): Subcommand[] => [
  command("chat", "A conversation in this directory: what graft alone does in a terminal", async () => (await import("./chat/chat.ts")).chat(graft, screen)),
  command("run", "One prompt, answered: for scripts and one-off questions", async () => (await import("./commands/run.ts")).run(graft, screen)),
  command("plugin", "List, inspect, make and steer plugins", async () => (await import("./commands/plugin/plugin.ts")).plugin(graft)),
  command("serve", "Serve this home over HTTP, to every face and project", async () => (await import("./commands/serve.ts")).serve(graft)),
  command("server", "The HTTP face: its document, and the token that opens it", async () => (await import("./commands/server.ts")).server(graft)),
  command("events", "Follow what a running instance does", async () => (await import("./commands/events.ts")).events(graft)),
  command("models", "The models that can be used in this project", async () => (await import("./commands/models.ts")).models(graft)),
  command("agents", "Who can work here, and with what", async () => (await import("./commands/agents.ts")).agents(graft)),
  command("stats", "What was used and what it cost, by model, session, project or day", async () => (await import("./commands/stats.ts")).stats(graft)),
  command("why", "Which plugin set a value, and what it was before", async () => (await import("./commands/why.ts")).why(graft)),
  command("graph", "Which plugins there are, and who needs whom", async () => (await import("./commands/graph.ts")).graph(graft)),
  command("config", "Explain, read and change the configuration", async () => (await import("./commands/config.ts")).config(graft)),
  command("auth", "Log in to providers and other services, switch accounts, see how they are", async () => (await import("./commands/auth.ts")).auth(graft)),
  command("session", "Show, name, fork, take back, move, export, delete … a session", async () => (await import("./commands/session/session.ts")).session(graft, screen)),
  command("resume", "Choose a session, and go on with its conversation", async () => (await import("./commands/resume.ts")).resume(graft, screen)),
  command("sessions", "The sessions of this project", async () => (await import("./commands/sessions.ts")).sessions(graft)),
  command("job", "What runs in the background: list, look at it, end it", async () => (await import("./commands/job.ts")).job(graft)),
  command("mcp", "MCP servers: how they are, what they wrote, start one anew, log in to one", async () => (await import("./commands/mcp.ts")).mcp(graft)),
  command("lsp", "Language servers: how they are, what they wrote, start one anew", async () => (await import("./commands/lsp.ts")).lsp(graft)),
  command("db", "Check, back up, prune and measure the database", async () => (await import("./commands/db.ts")).db(graft)),
  command("doctor", "What is wrong here, and what to do about it", async () => (await import("./commands/doctor.ts")).doctor(graft)),
  command("permission", "What may happen here, which rule says so; take an answer back", async () => (await import("./commands/permission.ts")).permission(graft)),
  command("trust", "Let this project's own plugins run, or no longer", async () => (await import("./commands/trust.ts")).trust(graft)),
  command("upgrade", "What would not run on another version of Graft", async () => (await import("./commands/upgrade.ts")).upgrade(graft)),
  command("paths", "Where config, data, cache, logs and sockets are", async () => (await import("./commands/paths.ts")).paths(graft)),
  command("docs", "Read the guides: of Graft, of the kernel, of a plugin", async () => (await import("./commands/docs.ts")).docs(graft)),
  command("tour", "A minute of hot reload, by itself, in a temporary home", async () => (await import("./tour/tour.ts")).tour(graft)),
]

const command = (name: string, summary: string, load: () => Promise<Work>): Subcommand => ({
  name, summary,
  usage: async () => (await load()).usage,
  run: async (argv, terminal) => (await load()).run(argv, terminal),
})
