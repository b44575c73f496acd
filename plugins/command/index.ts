/** Commands: prompts that the user and the project keep in files or in the config, or plugins bring, said with a slash. */
import { definePlugin } from "graft"
import { openLeash } from "../lib/leash.ts"
import { paths } from "../lib/paths.ts"
import { makeShelf, noneTold, rootsFor, type Told } from "../lib/shelf.ts"
import { commandOf, factOf } from "./command.ts"
import type { Command, CommandRow } from "./contract.ts"
import { expand } from "./expand.ts"
import { brought, CommandShape, expandRow } from "./rows.ts"
import { configured, section } from "./section.ts"

export default definePlugin<Told>({
  per: "location",
  state: { version: 1, init: noneTold },
  slots: { command: { key: (command: CommandRow) => command.name, schema: CommandShape } },
  async setup(graft) {
    const leash = await graft.keep("leash", graft.location!, openLeash, (open) => open.close())
    const rows = graft.all("command")
    const shelf = makeShelf<Command>(graft, {
      nouns: "commands",
      roots: rootsFor(paths(graft.kernel.host.dataDir).config, graft.location!, "commands", "files"),
      make: commandOf,
      async besides(made, problems) {
        await configured(graft, made, problems)
        brought(rows.rows(), made)
      },
      tell: (what, command) => graft.emit(what === "added" ? "command.added" : "command.updated", { command: factOf(command) }),
      gone: (name) => graft.emit("command.removed", { name }),
    })
    graft.add("configSection", section)
    rows.onChange(() => void shelf.list())
    graft.provide("command", {
      list: async () => [...(await shelf.list())],
      async expand(text, context) {
        const commands = await shelf.list()
        return (await expandRow(rows.rows(), commands, text, context)) ?? expand(graft, leash, commands, text, context)
      },
    })
    // Nobody needs them to come up.
    graft.fork(async () => void (await shelf.list()))
  },
})
