/** The commands, by name. Each is loaded when it is called: a run loads no conversation, and a conversation no tour. */
import type { Graft } from "graft"
import type { Away } from "./chat/conversation.ts"
import type { Subcommand, Work } from "./contract.ts"
import type { Screen } from "./screen.ts"

export const commands = (graft: Graft<Away>, screen: Screen): Subcommand[] => [
  command("chat", "A conversation in this directory: what graft alone does in a terminal", async () => (await import("./chat/chat.ts")).chat(graft, screen)),
  command("run", "One prompt, answered: for scripts and one-off questions", async () => (await import("./commands/run.ts")).run(graft, screen)),
  command("plugin", "List, inspect, make and steer plugins", async () => (await import("./commands/plugin/plugin.ts")).plugin(graft)),
  command("events", "Follow what a running instance does", async () => (await import("./commands/events.ts")).events(graft)),
  command("models", "The models that can be used in this project", async () => (await import("./commands/models.ts")).models(graft)),
  command("why", "Which plugin set a value, and what it was before", async () => (await import("./commands/why.ts")).why(graft)),
  command("config", "Explain, read and change the configuration", async () => (await import("./commands/config.ts")).config(graft)),
  command("auth", "Log in to a provider, log out, list", async () => (await import("./commands/auth.ts")).auth(graft)),
  command("sessions", "The sessions of this project", async () => (await import("./commands/sessions.ts")).sessions(graft)),
  command("trust", "Let this project's own plugins run, or no longer", async () => (await import("./commands/trust.ts")).trust(graft)),
  command("paths", "Where config, data, cache, logs and sockets are", async () => (await import("./commands/paths.ts")).paths(graft)),
  command("docs", "Read the guides: of Graft, of the kernel, of a plugin", async () => (await import("./commands/docs.ts")).docs(graft)),
  command("tour", "A minute of hot reload, by itself, in a temporary home", async () => (await import("./tour/tour.ts")).tour(graft)),
]

const command = (name: string, summary: string, load: () => Promise<Work>): Subcommand => ({
  name, summary,
  usage: async () => (await load()).usage,
  run: async (argv, terminal) => (await load()).run(argv, terminal),
})
