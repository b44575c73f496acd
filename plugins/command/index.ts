/** Commands: prompts that the user and the project keep in files, or plugins bring, said with a slash. */
import { homedir } from "node:os"
import { definePlugin } from "graft"
import { openLeash } from "../lib/leash.ts"
import { paths } from "../lib/paths.ts"
import { makeShelf, noneTold, rootsFor, type Told } from "../lib/shelf.ts"
import { commandOf, factOf } from "./command.ts"
import type { Command, CommandRow } from "./contract.ts"
import { expand } from "./expand.ts"
import { CommandShape, expandRow, tellRows, withRows } from "./rows.ts"

export default definePlugin<Told>({
  per: "location",
  state: { version: 1, init: noneTold },
  slots: { command: { key: (command: CommandRow) => command.name, schema: CommandShape } },
  async setup(graft) {
    const leash = await graft.keep("leash", graft.location!, openLeash, (open) => open.close())
    const shelf = makeShelf<Command>(graft, {
      nouns: "commands",
      roots: rootsFor(paths(graft.kernel.host.dataDir).config, homedir(), graft.location!, "commands", [".claude/commands"], "files"),
      make: commandOf,
      tell: (what, command) => graft.emit(what === "added" ? "command.added" : "command.updated", { command: factOf(command) }),
      gone: (name) => graft.emit("command.removed", { name }),
    })
    const rows = graft.all("command")
    rows.onChange((change) => tellRows(graft, change))
    graft.provide("command", {
      list: async () => withRows(await shelf.list(), rows.rows()),
      expand: async (text, context) => (await expand(graft, leash, await shelf.list(), text, context)) ?? expandRow(rows.rows(), text, context),
    })
    // Nobody needs them to come up.
    graft.fork(async () => void (await shelf.list()))
  },
})
